"""The chunks in force: those that the manifest stands for, whatever else lies in the chunk files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.corpus import manifest as manifests
from searchloom.corpus.manifest import Manifest
from searchloom.errors import Terminal


def part_key(corpus: str, partition: str, *, seq: int, name: str) -> str:
    """Key of one chunk file: ``name`` tells the run and the number of the file in it."""
    return f"chunks/{corpus}/partition={partition}/part-{seq}-{name}.parquet"


def in_force(
    oss: Oss, corpus: str, manifest: Manifest, *, partition: str | None = None, since_seq: int = 0
) -> Iterator[pa.Table]:
    """Yield the chunks (``CHUNKS``) of active documents with seq > ``since_seq``, one file at a time, oldest first.

    ``partition`` limits them to documents whose chunks lie in it. Raises ``Terminal`` when a commit's files are gone.
    """
    rows = manifest.active()
    wanted = pc.and_(pc.greater(rows["seq"], since_seq), pc.greater(rows["chunk_count"], 0))
    if partition is not None:
        wanted = pc.and_(wanted, pc.equal(rows["partition"], partition))
    rows = rows.filter(wanted).select(["doc_id", "seq"]).sort_by("seq")
    documents: dict[int, list[str]] = defaultdict(list)
    for document, seq in zip(rows["doc_id"].to_pylist(), rows["seq"].to_pylist(), strict=True):
        documents[seq].append(document)
    for seq, ids in documents.items():
        run_tag = manifest.commits.get(seq)
        if run_tag is None:
            raise Terminal(
                f"the manifest of corpus {corpus!r} names no files for commit {seq}; run ingest with reprocess"
            )
        value_set = pa.array(ids, pa.string())
        for key in manifests.commit_record(oss, corpus, seq, run_tag)["parts"]:
            table = schemas.read_table(oss, key, schemas.CHUNKS)
            table = table.filter(pc.is_in(table["doc_id"], value_set=value_set))
            if len(table):
                yield table
