"""From a message to an answer: remember, rewrite, retrieve, ask the model, check what it says while it says it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

from searchloom import tracing
from searchloom.cloud.bailian_calls import Delta as ModelDelta
from searchloom.cloud.bailian_online import BailianOnline
from searchloom.errors import SearchloomError
from searchloom.query import metrics
from searchloom.query.auth import Caller
from searchloom.query.chat import prompt as prompts
from searchloom.query.chat import rewriting
from searchloom.query.chat.composer import Checked, Composer
from searchloom.query.chat.memory import Memory, Owner, Turn, new_id
from searchloom.query.chat.prompt import Prompt
from searchloom.query.chat.quoting import quotation
from searchloom.query.chat.retrieval import Finder, Found
from searchloom.query.chat.schemas import ChatRequest, Delta, Done, Event, Passages, Usage
from searchloom.query.chat.words import is_chinese
from searchloom.query.deadline import Deadline
from searchloom.query.degraded import Degradable
from searchloom.query.limits import Limits
from searchloom.release.document import Release
from searchloom.settings import Chat as ChatSettings

log = logging.getLogger(__name__)

NOT_KNOWN = {
    False: "The passages that were found do not answer this question.",
    True: "找到的段落没有回答这个问题。",
}
WITHHELD = {False: " The rest of this answer was withheld.", True: "此回答的其余部分已被隐去。"}
_REWRITE_TOKENS = 80


@dataclass(slots=True)
class _Work(Degradable):
    """One answer under way."""

    request: ChatRequest
    release: Release
    caller: Caller
    deadline: Deadline
    owner: Owner
    conversation_id: str = ""
    question: str = ""
    usage: Usage = field(default_factory=Usage)
    model_s: float = 0.0

    @property
    def chinese(self) -> bool:
        """Whether the answer is to be Chinese."""
        return is_chinese(self.request.message)

    @contextmanager
    def model_time(self, step: str) -> Iterator[None]:
        """Count what the model takes."""
        started = time.monotonic()
        try:
            with tracing.span(step):
                yield
        finally:
            seconds = time.monotonic() - started
            self.model_s += seconds
            metrics.step(step, seconds)


class Chat:
    """Answers messages with search, a memory and the language model at hand."""

    def __init__(
        self, finder: Finder, model: BailianOnline, memory: Memory, limits: Limits, settings: ChatSettings
    ) -> None:
        self.memory = memory
        self._finder = finder
        self._model = model
        self._limits = limits
        self._settings = settings

    async def answer(
        self, request: ChatRequest, release: Release, caller: Caller, search_deadline: Deadline
    ) -> AsyncGenerator[Event, None]:
        """Yield ``Passages``, then ``Delta`` by ``Delta`` the answer, then ``Done``.

        Raises, before the first event, what search raises, and ``TooMany`` for a budget that is used up. Close the
        generator to leave early: the model is stopped, and what it has cost until then counts.
        """
        await self._limits.afford(caller)
        deadline = Deadline.after(self._settings.deadline_ms / 1000)
        work = _Work(request, release, caller, deadline, Owner.of(caller, request.corpus))
        try:
            turns = await self._remembered(work)
            work.question = await self._standing_alone(work, turns)
            found = await self._finder.find(work.question, request, release, caller, search_deadline)
            work.degraded += [part for part in found.search.degraded if part not in work.degraded]
            yield Passages(
                conversation_id=work.conversation_id,
                release=release.number,
                question=work.question,
                passages=list(found.passages),
                trace_id=found.search.trace_id,
            )
            async with aclosing(self._answer(work, found)) as events:
                async for event in events:
                    yield event
        finally:
            spent = work.usage.prompt_tokens + work.usage.completion_tokens
            await self._limits.spend(caller, tokens=spent, seconds=work.model_s)

    async def _remembered(self, work: _Work) -> Sequence[Turn]:
        asked = work.request.conversation_id
        turns = await self._turns(work.owner, asked) if asked else None
        if asked and turns is None:
            work.leave_out("memory")  # forgotten, or never theirs: nobody learns which
        work.conversation_id = asked if asked and turns is not None else new_id()
        return turns or ()

    async def _turns(self, owner: Owner, conversation_id: str) -> Sequence[Turn] | None:
        try:
            return await self.memory.turns(owner, conversation_id)
        except SearchloomError as error:
            log.warning("answering without what was said before: %s", error)
            return None

    async def _standing_alone(self, work: _Work, turns: Sequence[Turn]) -> str:
        message = work.request.message
        if not turns or not rewriting.needs_context(message):
            return message
        wait_s = self._settings.rewrite_ms / 1000
        if wait_s:
            try:
                async with asyncio.timeout(min(wait_s, work.deadline.remaining_s())):
                    proposal = await self._ask(work, rewriting.messages(message, turns))
                if question := rewriting.accepted(proposal, message, turns):
                    return question
            except (SearchloomError, TimeoutError) as error:
                log.warning("a follow-up is put beside its question: %s", error or "the model took too long")
                work.leave_out("rewrite")
        return rewriting.fallback(message, turns)

    async def _ask(self, work: _Work, messages: Sequence[dict[str, str]]) -> str:
        with work.model_time("rewrite"):
            answer = await self._model.chat(
                messages, model=work.release.llm or None, temperature=0, max_tokens=_REWRITE_TOKENS
            )
        work.usage.prompt_tokens += answer.input_tokens
        work.usage.completion_tokens += answer.output_tokens
        return answer.text

    async def _answer(self, work: _Work, found: Found) -> AsyncGenerator[Event, None]:
        prompt = prompts.build(work.question, found.passages, budget=self._settings.prompt_tokens)
        composer = Composer(prompt)
        if any(prompt.given):
            async with aclosing(self._told(work, prompt, composer)) as pieces:
                async for piece in pieces:
                    yield Delta(text=piece)
        if not composer.answer and "llm" in work.degraded:
            composer = Composer(prompt)
            piece = composer.feed(quotation(work.question, prompt.given)) + composer.finish()
            if piece:
                yield Delta(text=piece)
        answer, checked = composer.answer, composer.checked()
        if composer.stopped:
            work.leave_out("guard")
            closing = WITHHELD[work.chinese] if answer else NOT_KNOWN[work.chinese]
        else:
            closing = "" if answer.strip() else NOT_KNOWN[work.chinese]
        if closing:
            answer += closing
            yield Delta(text=closing)
        yield await self._done(work, found, answer, checked)

    async def _told(self, work: _Work, prompt: Prompt, composer: Composer) -> AsyncGenerator[str, None]:
        """Yield what may be shown of what the model says; where it fails, what it has said so far stays."""
        before = work.usage.model_copy()
        heard = ""
        try:
            with work.model_time("llm"):
                async with aclosing(self._stream(work, prompt)) as deltas:
                    async for delta in deltas:
                        heard += delta.text
                        if delta.input_tokens or delta.output_tokens:
                            work.usage.prompt_tokens = before.prompt_tokens + delta.input_tokens
                            work.usage.completion_tokens = before.completion_tokens + delta.output_tokens
                        if piece := composer.feed(delta.text):
                            yield piece
                        if composer.ended:
                            break
        except (SearchloomError, TimeoutError) as error:
            log.warning("answering without the language model: %s", error or "it took too long")
            work.leave_out("llm")
        finally:
            if work.usage == before:  # it never said what it has cost
                work.usage.prompt_tokens += sum(prompts.tokens(message["content"]) for message in prompt.messages)
                work.usage.completion_tokens += prompts.tokens(heard) if heard else 0
        if piece := composer.finish():
            yield piece

    async def _stream(self, work: _Work, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        said = self._model.chat_stream(
            prompt.messages,
            model=work.release.llm or None,
            temperature=0,
            max_tokens=self._settings.answer_tokens,
        )
        first_s = self._settings.first_word_ms / 1000
        async with aclosing(said) as deltas:
            while True:
                async with asyncio.timeout(min(first_s, work.deadline.remaining_s())):
                    delta = await anext(deltas, None)
                if delta is None:
                    return
                if delta.text:
                    first_s = float("inf")
                yield delta

    async def _done(self, work: _Work, found: Found, answer: str, checked: Checked) -> Done:
        cited = {citation.number for citation in checked.citations}
        doc_ids = tuple(passage.doc_id for passage in found.passages if passage.number in cited)
        turn = Turn(work.request.message, work.question, answer, doc_ids)
        try:
            await self.memory.add(work.owner, work.conversation_id, turn)
        except SearchloomError as error:
            log.warning("an answer is not remembered: %s", error)
            work.leave_out("memory")
        return Done(
            answer=answer,
            citations=checked.citations,
            unsupported=checked.unsupported,
            known=checked.holds,
            usage=work.usage,
            degraded=work.degraded,
        )
