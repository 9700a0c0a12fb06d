"""The account that the engines run as, and the folders that it can reach."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from searchloom.errors import UsageError
from searchloom.stack import accounts
from searchloom.stack.accounts import Account

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root switches to another account")
NOBODY = Account("nobody", 65534, 65534)


@pytest.fixture
def open_folder():
    """A folder that everybody can enter (pytest's own are closed)."""
    folder = Path(tempfile.mkdtemp(prefix="searchloom-accounts-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_an_ordinary_user_runs_the_engines_himself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert accounts.engine_account() is None


def test_without_another_account_everything_stays_below_the_checkout(tmp_path: Path):
    assert accounts.engine_base(tmp_path / ".cache" / "engines", None) == tmp_path / ".cache" / "engines"


def test_the_topmost_closed_folder_is_named(open_folder: Path):
    (open_folder / "a" / "b").mkdir(parents=True)
    (open_folder / "a").chmod(0o700)
    assert accounts.closed_folder(open_folder / "a" / "b", NOBODY) == open_folder / "a"
    (open_folder / "a").chmod(0o711)
    assert accounts.closed_folder(open_folder / "a" / "b", NOBODY) is None


@as_root
def test_umask_077_closes_nothing_that_is_ours(open_folder: Path):
    before = os.umask(0o077)
    try:
        base = accounts.engine_base(open_folder / ".state" / "engines", NOBODY)
    finally:
        os.umask(before)
    assert base == open_folder / ".state" / "engines"
    assert accounts.closed_folder(base, NOBODY) is None


@as_root
def test_below_a_closed_checkout_the_files_go_elsewhere_and_a_link_says_where(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(accounts, "ELSEWHERE", open_folder / "elsewhere")
    (open_folder / "closed").mkdir(mode=0o700)
    asked = open_folder / "closed" / ".cache" / "engines"
    found = accounts.engine_base(asked, NOBODY)
    assert found.parent == open_folder / "elsewhere"
    assert accounts.closed_folder(found, NOBODY) is None
    assert asked.readlink() == found
    assert accounts.engine_base(asked, NOBODY) == found


@as_root
def test_a_link_whose_target_has_gone_is_one_sentence(open_folder: Path):
    base = open_folder / "engines"
    base.symlink_to(open_folder / "gone")
    with pytest.raises(UsageError, match=r"which has gone; remove that link"):
        accounts.engine_base(base, NOBODY)
