"""Pages of the AIRec console."""

from __future__ import annotations

from alibaba_ai.links.stored import StoredLink


class AirecInstanceLink(StoredLink):
    """The page of an instance."""

    name = "AIRec instance"
    xcom_key = "airec_instance_link"

    @classmethod
    def address(cls, *, region: str, instance_id: str) -> str:
        """Return the page of an instance."""
        return f"https://airec.console.aliyun.com/?regionId={region}#/instance/{instance_id}"
