"""What the processor can do is read from what the kernel says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcloud.processor import computes_in_bf16


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("flags\t\t: fma avx avx2 avx512f avx512_vnni\n", False),
        ("flags\t\t: avx512f avx512_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        (None, False),
    ],
)
def test_bf16_is_used_only_where_the_processor_has_instructions_for_it(
    tmp_path: Path, said: str | None, expected: bool
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    if said is not None:
        cpuinfo.write_text(said, encoding="ascii")
    assert computes_in_bf16(cpuinfo) is expected
