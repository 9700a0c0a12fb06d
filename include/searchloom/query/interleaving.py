"""Two orders of the same candidates, shown as one list: team-draft interleaving.

Radlinski, Kurup and Joachims, "How does clickthrough data reflect retrieval quality?", CIKM 2008. The arms place
documents in rounds: a coin says which of them begins, and each places the best that is not there yet. What both would
place next is placed by neither, because choosing it speaks for neither; so orders that are the same never compete.

The coin is made of experiment, person and request: all pages of a search, from whatever process, are cut out of one
list.
"""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from searchloom.engines.fusion import Ranked
from searchloom.query import paging
from searchloom.query.auth import Caller
from searchloom.query.personal import Ordered
from searchloom.query.schemas import SearchRequest
from searchloom.settings import Arm, Experiment


@dataclass(frozen=True, slots=True)
class Duel:
    """Two arms that fill the list of one search."""

    names: Sequence[str]
    arms: Sequence[Arm]
    seed: bytes

    @classmethod
    def of(cls, experiment: Experiment, request: SearchRequest, caller: Caller) -> Duel | None:
        """The duel of this search; None where no interleaved experiment runs."""
        if not experiment.interleaved:
            return None
        person = f"{experiment.name}\0{caller.access.tenant}\0{caller.user}\0".encode()
        seed = hashlib.blake2b(person + paging.digest(request, caller.access), digest_size=16).digest()
        return cls([*experiment.arms], [*experiment.arms.values()], seed)

    async def drafted(
        self,
        fused: Sequence[Ranked],
        reranked: Sequence[Ranked],
        ordered: Callable[[Sequence[Ranked]], Awaitable[Ordered]],
    ) -> Ordered:
        """One list of what each arm makes of the candidates, as they were before and after a reranker read them.

        ``ordered`` gives the caller's own order of a ranking; it is asked once where both arms want the same.
        """
        there = {one.doc_id for one in reranked}  # a load may have deleted one just now
        unread = [one for one in fused if one.doc_id in there]
        orders: dict[tuple[bool, bool], Ordered] = {}
        for arm in self.arms:
            if (arm.rerank, arm.personalize) not in orders:
                ranked = reranked if arm.rerank else unread
                orders[arm.rerank, arm.personalize] = await ordered(ranked) if arm.personalize else Ordered(ranked)
        return self._joined(*(orders[arm.rerank, arm.personalize] for arm in self.arms))

    def _joined(self, first: Ordered, second: Ordered) -> Ordered:
        own = [{one.doc_id: one for one in each.ranked} for each in (first, second)]
        placed = draft([*own[0]], [*own[1]], random.Random(self.seed))  # noqa: S311  it hides nothing
        ranked: list[Ranked] = []
        for doc_id, team in placed.items():
            one = own[team or 0][doc_id]
            if ranked and one.score > ranked[-1].score:
                # Scores never rise on the way down, whoever placed a document.
                one = structs.replace(one, score=ranked[-1].score)
            ranked.append(one)
        teams = {doc_id: self.names[team] for doc_id, team in placed.items() if team is not None}
        return replace(first if first.scores else second, ranked=ranked, teams=teams)


def draft(first: Sequence[str], second: Sequence[str], coin: random.Random) -> dict[str, int | None]:
    """Every document once, in the order in which they were placed, and by whom: 0, 1, or None for neither.

    Both orders hold the same documents.
    """
    placed: dict[str, int | None] = {}
    mine, theirs = deque(first), deque(second)
    while mine and theirs:
        if mine[0] in placed:
            mine.popleft()
        elif theirs[0] in placed:
            theirs.popleft()
        elif mine[0] == theirs[0]:
            placed[mine[0]] = None
        else:
            placed |= {mine[0]: 0, theirs[0]: 1} if coin.getrandbits(1) else {theirs[0]: 1, mine[0]: 0}
    return placed
