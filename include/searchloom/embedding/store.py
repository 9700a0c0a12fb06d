"""The vectors in OSS: one per distinct text and model version, sharded by the first byte of the text's hash."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from searchloom import schemas
from searchloom.cloud.oss import Oss

_THREADS = 8


def shard(content_sha256: str) -> str:
    """Shard of a text: the first byte of its hash, in hex."""
    return content_sha256[:2]


def lookup(oss: Oss, corpus: str, version: str, dims: int, hashes: Iterable[str] | pa.Array) -> pa.Table:
    """Return the vectors that exist of these texts: ``vectors(dims)``, one row a text, in no order."""
    wanted = hashes if isinstance(hashes, pa.Array) else pa.array(list(hashes), pa.string())
    schema = schemas.vectors(dims)

    def read(key: str) -> pa.Table:
        table = schemas.read_table(oss, key, schema)
        return table.filter(pc.is_in(table["content_sha256"], value_set=wanted))

    files = _files(oss, corpus, version)
    keys = [key for name in sorted({shard(one) for one in wanted.to_pylist()}) for key in files.get(name, [])]
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pa.concat_tables([schema.empty_table(), *pool.map(read, keys)]).combine_chunks()
    # two runs at the same time may have embedded the same text: the vectors are equal, one is enough
    _, first = np.unique(found["content_sha256"].to_numpy(zero_copy_only=False).astype(str), return_index=True)
    return found.take(pa.array(np.sort(first))) if len(first) < len(found) else found


class Present:
    """Which texts have a vector; reads the hashes of a shard when first asked about it."""

    def __init__(self, oss: Oss, corpus: str, version: str, dims: int) -> None:
        self._oss = oss
        self._schema = schemas.vectors(dims)
        self._files = _files(oss, corpus, version)
        self._hashes: dict[str, set[str]] = {}

    def missing(self, hashes: Iterable[str]) -> set[str]:
        """Return those of the hashes that no vector file holds."""
        wanted = set(hashes)
        new = sorted({shard(one) for one in wanted} - self._hashes.keys())
        with ThreadPoolExecutor(_THREADS) as pool:
            self._hashes.update(zip(new, pool.map(self._read, new), strict=True))
        return {one for one in wanted if one not in self._hashes[shard(one)]}

    def _read(self, name: str) -> set[str]:
        found: set[str] = set()
        for key in self._files.get(name, []):
            table = schemas.read_table(self._oss, key, self._schema, columns=["content_sha256"])
            found.update(table["content_sha256"].to_pylist())
        return found


def write(
    oss: Oss, corpus: str, version: str, *, name: str, hashes: list[str], vectors: NDArray[np.float32]
) -> list[str]:
    """Write vectors (``[n, dims]``), one file a shard, each whole or not at all; returns the keys.

    ``name`` tells the files of one writer apart: writing under the same name again replaces them.
    """
    schema = schemas.vectors(vectors.shape[1])
    rows: dict[str, list[int]] = defaultdict(list)
    for row, one in enumerate(hashes):
        rows[shard(one)].append(row)

    def put(item: tuple[str, list[int]]) -> str:
        where, indices = item
        embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors[indices].ravel()), vectors.shape[1])
        table = pa.table([pa.array([hashes[row] for row in indices]), embedding], schema=schema)
        key = f"{_prefix(corpus, version)}shard={where}/part-{name}.parquet"
        schemas.write_table(oss, key, table, schema)
        return key

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(put, rows.items()))


def _files(oss: Oss, corpus: str, version: str) -> dict[str, list[str]]:
    files: dict[str, list[str]] = defaultdict(list)
    prefix = _prefix(corpus, version)
    for info in oss.list(prefix):
        files[info.key.removeprefix(f"{prefix}shard=").split("/")[0]].append(info.key)
    return files


def _prefix(corpus: str, version: str) -> str:
    return f"vectors/{corpus}/{version}/"
