"""Judge what users get: the queries of an evaluation go through the query API, not past it."""

from __future__ import annotations

import threading

import stamina

from searchloom.errors import ServiceUnavailable, Transient
from searchloom.evaluation.evaluate import Mode, Search
from searchloom.evaluation.runs import DEPTH, Answer, Found
from searchloom.query import tokens
from searchloom.query.client import SearchClient
from searchloom.settings import EngineName, Settings


def searcher(settings: Settings, *, corpus: str, tenant: str = "default") -> Search:
    """A search function for ``evaluate``, safe to call from several threads.

    An answer that is not what was asked for (another engine had to step in, a part was left out) is asked for again,
    and in the end raises ``ServiceUnavailable``: figures must never be of something else than their label says.
    """
    token = tokens.sign(settings, user="evaluation", tenant=tenant, lifetime_s=24 * 3600)
    local = threading.local()

    @stamina.retry(on=Transient, attempts=8, timeout=180)
    def search(query: str, engine: EngineName, mode: Mode) -> Answer:
        if not hasattr(local, "client"):
            local.client = SearchClient(settings.query.url, token)
        reranked = mode == "reranked"
        # Models are judged: nobody's own order, and every query as it was written, as the shadow evaluation asks it.
        # Nobody looks at what is found: it is no behaviour.
        asked = {"mode": "hybrid" if reranked else mode, "rerank": reranked, "personalize": False, "correct": False}
        answer = local.client.search(
            query, corpus=corpus, engine=engine, k=DEPTH, highlight=False, record=False, **asked
        )
        if answer["degraded"] or answer["engine"] != engine:
            raise ServiceUnavailable(
                f"the query {query[:60]!r} in mode {mode} on {engine} was served without {answer['degraded']} "
                f"by {answer['engine']}; see `searchloom status`, then evaluate again"
            )
        return [Found(row["doc_id"], row["source_id"], row["score"]) for row in answer["results"]]

    return search
