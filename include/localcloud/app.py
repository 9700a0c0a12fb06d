"""The ASGI application: everything that is served on the one port, told apart by path and kind of signature."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from localcloud.acs.service import AcsService, is_acs
from localcloud.airec.service import AirecService
from localcloud.aiworkspace.service import AiWorkspaceService
from localcloud.bailian.service import BailianService
from localcloud.credentials import Keyring
from localcloud.dashscope.embeddings import Embeddings
from localcloud.dashscope.reranking import Reranking
from localcloud.dashscope.service import DashScopeService, is_dashscope
from localcloud.elasticsearch.service import ElasticsearchService
from localcloud.faults import Faults, Receive, Scope, Send, send_json
from localcloud.finetuning.service import FineTuningService
from localcloud.mounts import Mounts
from localcloud.oss.service import OssService
from localcloud.pai_dlc.service import DlcService
from localcloud.pai_dsw.service import DswService
from localcloud.pai_eas.gateway import PREFIX as PREDICT
from localcloud.pai_eas.service import EasService
from localcloud.searchplat.service import SearchPlatformService
from localcloud.sts.service import StsService


@dataclass(frozen=True, slots=True)
class LocalCloudApp:
    """Paths that begin with an underscore are the local cloud's own (no bucket can be called so).

    Requests with an ACS signature are for the ACS services, predictions go to EAS, the paths of DashScope to it; the
    rest is OSS.
    """

    oss: OssService
    acs: AcsService
    dlc: DlcService
    dsw: DswService
    eas: EasService
    dashscope: DashScopeService
    fine_tuning: FineTuningService
    bailian: BailianService
    faults: Faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] != "http":
            raise RuntimeError(f"A {scope['type']} connection came; only HTTP is served.")
        elif scope["path"] == "/_health":
            await send_json(send, 200, {"name": "localcloud", "status": "ok"})
        elif scope["path"] == "/_faults":
            if ipaddress.ip_address(scope["client"][0]).is_loopback:
                await self.faults(scope, receive, send)
            else:
                await send_json(send, 403, {"error": "Faults are set from this machine only."})
        elif scope["path"].startswith(PREDICT):
            await self.eas.gateway(scope, receive, send)
        elif is_acs(scope):
            await self.acs(scope, receive, send)
        elif is_dashscope(scope):
            await self.dashscope(scope, receive, send)
        else:
            await self.oss(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.dlc.supervisor.start()
                self.dsw.keeper.start()
                self.eas.manager.start()
                self.fine_tuning.start()
                self.bailian.start()
            else:
                await self.eas.gateway.close()
                await asyncio.to_thread(self.eas.manager.close)
                await asyncio.to_thread(self.dsw.keeper.close)
                await asyncio.to_thread(self.dlc.supervisor.close)
                self.bailian.close()
                await asyncio.to_thread(self.fine_tuning.close)
                await asyncio.to_thread(self.dashscope.close)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


def create_app(state: Path, keyring: Keyring, region: str, *, elasticsearch_url: str = "") -> LocalCloudApp:
    """Open the state folder and put the services together; ``elasticsearch_url`` is the engine to be described."""
    faults = Faults()
    oss = OssService(state / "oss", keyring, region, faults)
    mounts = Mounts(oss.store)
    dlc = DlcService(state / "pai_dlc", mounts)
    dsw = DswService(state / "pai_dsw", mounts)
    eas = EasService(state / "pai_eas", mounts, faults, region)
    dashscope = DashScopeService(state / "dashscope", keyring, faults, region)
    fine_tuning = FineTuningService(state / "fine_tuning", dashscope)
    bailian = BailianService(state / "bailian", oss.store, keyring, dashscope.apps, dashscope.worker)
    services = (
        StsService(keyring),
        dlc,
        dsw,
        eas,
        AiWorkspaceService(state / "aiworkspace"),
        AirecService(state / "airec", region),
        bailian,
        ElasticsearchService(elasticsearch_url, region),
        SearchPlatformService(Embeddings(dashscope.worker).native, Reranking(dashscope.worker).native),
    )
    acs = AcsService(state / "acs", keyring, faults, [service.product() for service in services])
    return LocalCloudApp(
        oss=oss,
        acs=acs,
        dlc=dlc,
        dsw=dsw,
        eas=eas,
        dashscope=dashscope,
        fine_tuning=fine_tuning,
        bailian=bailian,
        faults=faults,
    )
