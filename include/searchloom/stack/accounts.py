"""Who the engines run as, and which folders that account can reach.

Both engines refuse to run as root. When the stack is started by root, they run as ``nobody``, who must be able to pass
every folder above the engines' homes, their data and the JDK.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from searchloom.errors import UsageError

logger = logging.getLogger(__name__)

ENGINE_ACCOUNT = "nobody"
ELSEWHERE = Path("/var/lib/searchloom")
"""Where the engines' files go if their account cannot reach the checkout; only root needs it, and may write there."""


@dataclass(frozen=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int

    def __str__(self) -> str:
        return self.name


def engine_account() -> Account | None:
    """Return the account that the engines must be switched to, or None when they may run as the caller.

    Raises ``UsageError`` when root starts the stack and the machine has no unprivileged account to switch to.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ENGINE_ACCOUNT)
    except KeyError:
        raise UsageError(
            f"this machine has no user {ENGINE_ACCOUNT!r}, and the engines refuse to run as root; "
            "start the stack as an ordinary user",
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def closed_folder(path: Path, account: Account | None) -> Path | None:
    """Return the topmost existing folder on the way to ``path`` (itself included) that ``account`` cannot enter."""
    if account is None:
        return None
    resolved = path.resolve()
    for folder in [*reversed(resolved.parents), resolved]:
        if folder.exists() and not _may_enter(folder, account):
            return folder
    return None


def engine_base(base: Path, account: Account | None) -> Path:
    """Return the folder that stands for ``base`` (``.cache/engines``, ``.state/engines``) and is open to ``account``.

    That is ``base`` itself, or, where a folder above it is closed (a checkout in /root, say), one below /var/lib that
    ``base`` then links to. Raises ``UsageError`` when the linked folder has gone.
    """
    base.parent.mkdir(parents=True, exist_ok=True)
    if base.is_symlink() and not base.is_dir():
        raise UsageError(f"{base} points to {base.readlink()}, which has gone; remove that link and run 'make setup'")
    if base.is_symlink():
        return base.resolve()
    if closed_folder(base.parent.parent, account) is None:
        base.mkdir(exist_ok=True)
        _open(base.parent)
        _open(base)
        if closed_folder(base, account) is None:
            return base
    digest = hashlib.sha256(str(base.resolve()).encode()).hexdigest()[:12]
    elsewhere = ELSEWHERE / f"{base.parent.name.strip('.')}-{base.name}-{digest}"
    for folder in (ELSEWHERE, elsewhere):
        folder.mkdir(exist_ok=True)
        _open(folder)
    if base.is_dir():
        base.rmdir()
    base.symlink_to(elsewhere)
    logger.info("%s cannot enter the folders above %s; the engines' files go to %s.", account, base, elsewhere)
    return elsewhere


def give(path: Path, account: Account | None) -> None:
    """Make ``path`` and everything below it the account's own."""
    if account is None:
        return
    os.chown(path, account.uid, account.gid)
    for folder, folders, files in os.walk(path):
        for name in [*folders, *files]:
            os.chown(Path(folder) / name, account.uid, account.gid, follow_symlinks=False)


def _open(folder: Path) -> None:
    """Let others pass a folder of ours (they can enter it by name, not list it)."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if folder.stat().st_uid == os.geteuid() and mode & 0o011 != 0o011:
        folder.chmod(mode | 0o011)


def _may_enter(folder: Path, account: Account) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
