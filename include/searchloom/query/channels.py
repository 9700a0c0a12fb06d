"""The channels beside search (chat, recommendations, events) and what they stand on; made once per process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from searchloom.cloud.bailian_online import BailianOnline
from searchloom.query.admission import Admission
from searchloom.query.chat.answering import Chat
from searchloom.query.chat.host_memory import HostMemory
from searchloom.query.chat.retrieval import Finder
from searchloom.query.events.log import EventLog
from searchloom.query.events.schema import Record
from searchloom.query.limits import Limits, Turnstile
from searchloom.query.model_services import ModelServices
from searchloom.query.personal_models import PersonalModels
from searchloom.query.recommend.airec import AirecSource
from searchloom.query.recommend.behaviour import Behaviour
from searchloom.query.recommend.log_reader import LogReader
from searchloom.query.recommend.recommender import Recommender
from searchloom.query.retrieval import Retrieval
from searchloom.query.search import SearchPipeline
from searchloom.settings import Settings

if TYPE_CHECKING:
    from searchloom.cloud.oss import Oss

SPOOL = "events"
"""Folder below ``settings.state`` where events wait for OSS."""


@dataclass(frozen=True)
class Channels:
    """What the routes of the channels stand on."""

    chat: Chat
    chats: Turnstile
    memory: HostMemory
    recommender: Recommender
    events: EventLog
    model: BailianOnline
    airec: AirecSource
    reader: LogReader

    def start(self) -> None:
        """Begin what goes on in the background."""
        self.events.start()
        self.reader.start()
        self.memory.start()

    async def stop(self) -> None:
        """End it, and let go of connections."""
        self.reader.stop()
        closing = (self.events.stop(), self.memory.stop(), self.model.aclose(), self.airec.close())
        await asyncio.gather(*closing, return_exceptions=True)


def connect(
    settings: Settings,
    *,
    pipeline: SearchPipeline,
    retrieval: Retrieval,
    services: ModelServices,
    limits: Limits,
    admission: Admission,
    open_store: Callable[[], Oss],
    airec: AirecSource,
    behaviour: Behaviour,
    personal: PersonalModels,
    memory: HostMemory,
) -> Channels:
    """Make the channels; nothing is asked before the first request."""
    model = BailianOnline(settings.bailian)

    def heard(record: Record) -> None:
        behaviour.learn(record)
        personal.heard(record)

    finder = Finder(pipeline, retrieval, admission, passages=settings.chat.passages)
    return Channels(
        chat=Chat(finder, model, memory, limits, settings.chat),
        chats=Turnstile("answers", at_once=settings.chat.at_once, of_one_user=settings.chat.at_once_per_user),
        memory=memory,
        recommender=Recommender(retrieval, services, airec, behaviour, memory, personal=personal),
        events=EventLog(settings.state / SPOOL, settings.events, open_store, heard),
        model=model,
        airec=airec,
        reader=LogReader(open_store, behaviour, days=settings.recommend.popularity_days),
    )
