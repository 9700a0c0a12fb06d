"""The release board in the Airflow UI: what serves, what was judged, and the way back."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from searchloom_board.app import PREFIX, app


class ReleaseBoard(AirflowPlugin):  # type: ignore[misc]  # Airflow is Any to mypy here
    """A page of its own behind the entry *Releases* of the navigation."""

    name = "release_board"
    fastapi_apps: ClassVar[list[Any]] = [{"app": app, "url_prefix": PREFIX, "name": "Release board"}]
    external_views: ClassVar[list[Any]] = [
        {
            "name": "Releases",
            "href": f"{PREFIX}/",
            "destination": "nav",
            "url_route": "releases",
            "icon": f"{PREFIX}/icon.svg",
            "icon_dark_mode": f"{PREFIX}/icon-dark.svg",
        }
    ]
