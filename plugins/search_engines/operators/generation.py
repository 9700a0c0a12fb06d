"""An index generation of an engine: create it, load it, let it serve."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from alibaba_ai.failures import terminal_errors_end_the_task
from alibaba_ai.hooks.oss import OssHook
from search_engines.hooks.loader import loader_by
from searchloom.engines.interface import GenerationMeta, Loader
from searchloom.engines.load import load
from searchloom.engines.verify import verify
from searchloom.errors import NotFound, UsageError


class _OfIndex(BaseOperator):  # type: ignore[misc]  # Airflow is Any to mypy here
    """A task about one index of one engine."""

    ui_color = "#e7f3ea"

    def __init__(self, *, index: str, engine_conn_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.index = index
        self.engine_conn_id = engine_conn_id

    def connect(self) -> Loader:
        """Connect to the engine that the connection's type names. Close it after use."""
        return loader_by(self.engine_conn_id)

    def meta(self, loader: Loader) -> GenerationMeta:
        """Return what the index says of itself; ``NotFound`` where there is none."""
        meta = loader.meta(self.index)
        if meta is None:
            raise NotFound(f"there is no index {self.index!r} in {loader.name}; create it with IndexOperator first")
        return meta


class IndexOperator(_OfIndex):
    """Create the empty index of a generation; its name is the task's result.

    An index that is there for the same corpus and model stays as it is; one for another fails the task.

    :param index: name of the index
    :param corpus: name of the corpus
    :param embedding_version: version of the model whose vectors it will hold
    :param dims: length of the vectors
    :param engine_conn_id: id of a connection of OpenSearch or Elasticsearch
    """

    template_fields: Sequence[str] = ("index", "corpus", "embedding_version", "dims", "engine_conn_id")

    def __init__(self, *, corpus: str, embedding_version: str, dims: int | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.corpus = corpus
        self.embedding_version = embedding_version
        self.dims = dims

    def execute(self, context: Any) -> str:  # noqa: ARG002  the signature is Airflow's
        """Create the index."""
        with terminal_errors_end_the_task(), closing(self.connect()) as loader:
            # Templated, and so checked here and not in the constructor.
            if not str(self.dims).isdecimal() or int(self.dims) < 1:
                raise UsageError(f"dims of task {self.task_id!r} is {self.dims!r}; take the length of the vectors")
            meta = GenerationMeta(self.corpus, self.embedding_version, int(self.dims))
            loader.create(self.index, meta)
        self.log.info("%s: index %s is there for corpus %s.", loader.name, self.index, self.corpus)
        return self.index


class BulkLoadOperator(_OfIndex):
    """Bring an index up to date with the parquet files of its corpus in the bucket, and verify it.

    The task's result are the numbers of chunks written, deleted, current and refused, and what was verified. Every
    write carries its commit's number as version: repeating the load at any moment changes nothing.

    :param index: name of the index, which says itself of which corpus and model it is
    :param engine_conn_id: id of a connection of OpenSearch or Elasticsearch
    :param verify: compare numbers and a sample of ids with the manifest afterwards
    :param max_refused: more chunks than this that the engine refuses fail the task
    :param alibaba_oss_conn_id: id of the bucket's connection
    """

    template_fields: Sequence[str] = ("index", "engine_conn_id", "max_refused", "alibaba_oss_conn_id")

    def __init__(
        self,
        *,
        verify: bool = True,
        max_refused: int | str = 0,
        alibaba_oss_conn_id: str = OssHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.verify = verify
        self.max_refused = max_refused
        self.alibaba_oss_conn_id = alibaba_oss_conn_id

    def execute(self, context: Any) -> dict[str, Any]:  # noqa: ARG002  the signature is Airflow's
        """Load and verify."""
        with terminal_errors_end_the_task(), closing(self.connect()) as loader:
            if not str(self.max_refused).isdecimal():
                raise UsageError(f"max_refused of task {self.task_id!r} is {self.max_refused!r}, not a whole number")
            meta = self.meta(loader)
            oss = OssHook(self.alibaba_oss_conn_id).get_conn()
            report = load(oss, loader, corpus=meta.corpus, index=self.index, embedding_version=meta.embedding_version)
            if self.verify:
                report["verified"] = verify(oss, loader, corpus=meta.corpus, index=self.index)
        if report["refused"] > int(self.max_refused):
            raise AirflowFailException(
                f"{loader.name} refused {report['refused']} chunks of index {self.index!r} ({self.max_refused} are "
                f"allowed); {report['dead_letters']!r} in the bucket says why"
            )
        return report


class AliasOperator(_OfIndex):
    """Point an alias at an index alone, atomically; the index that it pointed at before is the task's result.

    :param alias: name of the alias
    :param index: name of the index
    :param engine_conn_id: id of a connection of OpenSearch or Elasticsearch
    """

    template_fields: Sequence[str] = ("alias", "index", "engine_conn_id")

    def __init__(self, *, alias: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alias = alias

    def execute(self, context: Any) -> str:  # noqa: ARG002  the signature is Airflow's
        """Swap the alias, unless it points there already."""
        with terminal_errors_end_the_task(), closing(self.connect()) as loader:
            self.meta(loader)
            before = loader.alias_target(self.alias) or ""
            if before != self.index:
                loader.point_alias(self.alias, self.index)
        self.log.info("%s: alias %s goes from %s to %s.", loader.name, self.alias, before or "nothing", self.index)
        return before
