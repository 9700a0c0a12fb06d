"""The ASGI application: everything that is served on the one port, told apart by path."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from localcloud.credentials import Keyring
from localcloud.faults import Faults, Receive, Scope, Send, send_json
from localcloud.oss.service import OssService


@dataclass(frozen=True, slots=True)
class LocalCloudApp:
    """Paths that begin with an underscore are the local cloud's own (no bucket can be called so); the rest is OSS."""

    oss: OssService
    faults: Faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] != "http":
            raise RuntimeError(f"A {scope['type']} connection came; only HTTP is served.")
        elif scope["path"] == "/_health":
            await send_json(send, 200, {"name": "localcloud", "status": "ok"})
        elif scope["path"] == "/_faults":
            if ipaddress.ip_address(scope["client"][0]).is_loopback:
                await self.faults(scope, receive, send)
            else:
                await send_json(send, 403, {"error": "Faults are set from this machine only."})
        else:
            await self.oss(scope, receive, send)


def create_app(state: Path, keyring: Keyring, region: str) -> LocalCloudApp:
    """Open the state folder and put the services together."""
    faults = Faults()
    return LocalCloudApp(OssService(state / "oss", keyring, region, faults), faults)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
