"""The parts that are Python programs of this project: the local cloud, the embedding service, the query service."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version

from searchloom.cloud.oss import Oss
from searchloom.settings import HOME, Settings
from searchloom.stack.part import Launch, Part, answers, port_of


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a Python part: the caller's, and where this stack's settings are."""
    return {
        **os.environ,
        "HOME": _home(settings),
        "SEARCHLOOM_PROFILE": settings.profile,
        "SEARCHLOOM_STATE": str(settings.state.resolve()),
        "SEARCHLOOM_CACHE": str(settings.cache.resolve()),
        "PYTHONUNBUFFERED": "1",
    }


def _home(settings: Settings) -> str:
    """Return the caller's home, or a folder of the stack where that is unset or closed: libraries write there."""
    home = os.environ.get("HOME")
    if home and os.access(home, os.W_OK):
        return home
    folder = settings.state.resolve() / "home"
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(folder)


def localcloud(settings: Settings) -> Part:
    """Describe the local cloud, which serves OSS at ``settings.oss.endpoint``, with the bucket that everyone uses."""
    url = settings.oss.endpoint

    def launch() -> Launch:
        folder = settings.state.resolve() / "localcloud"
        folder.mkdir(mode=0o700, exist_ok=True)
        secret = settings.oss.access_key_secret.get_secret_value()
        command = [
            sys.executable, "-m", "localcloud", "--port", str(port_of(url)), "--state", str(folder),
            "--access-key-id", settings.oss.access_key_id,
        ]  # fmt: skip
        # Secrets travel in the environment: a command line can be read by everyone.
        own = {
            "LOCALCLOUD_ACCESS_KEY_SECRET": secret,
            "LOCALCLOUD_API_KEY": settings.bailian.api_key.get_secret_value(),
            "LOCALCLOUD_ELASTICSEARCH_URL": settings.elasticsearch.url,
            "LOCALCLOUD_CACHE": str(settings.cache.resolve() / "localcloud"),
        }
        return Launch(tuple(command), environment(settings) | own, HOME)

    def make_bucket() -> None:
        Oss(settings.oss).ensure_bucket()

    return replace(_service("localcloud", url, f"{url}/_health", launch), furnish=make_bucket)


def embedding(settings: Settings) -> Part:
    """Describe the embedding service at ``settings.embedding.url``."""
    url = settings.embedding.url

    def launch() -> Launch:
        return Launch((sys.executable, "-m", "searchloom.inference"), environment(settings), HOME)

    # It takes its model from OSS.
    return replace(_service("embedding", url, f"{url}/health", launch), needs=frozenset({"localcloud"}))


def query(settings: Settings) -> Part:
    """Describe the query service at ``settings.query.url``."""
    url = settings.query.url

    def launch() -> Launch:
        return Launch((sys.executable, "-m", "searchloom.query"), environment(settings), HOME)

    return _service("query", url, f"{url}/healthz", launch)


def _service(name: str, url: str, health_url: str, launch: Callable[[], Launch]) -> Part:
    return Part(
        name=name,
        version=version("searchloom"),
        url=url,
        launch=launch,
        health=answers(health_url),
        port=port_of(url),
        grace=10.0,
    )
