"""Who the engines run as, and which folders that account can reach.

Both engines refuse to run as root. When the stack is started by root, they run as ``nobody``, who must be able to pass
every folder above the engines' homes, their data and the JDK.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from searchloom.errors import UsageError

ENGINE_ACCOUNT = "nobody"
FALLBACK = Path("/var/tmp")  # noqa: S108  every account can pass it, and it outlives a reboot


@dataclass(frozen=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


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


def engine_base(base: Path, checkout: Path, account: Account | None) -> Path:
    """Return where the engines' files go: ``base``, or a folder below /var/tmp if ``account`` cannot reach ``base``.

    The folder below /var/tmp is named after the checkout, so that two checkouts never share it.
    Raises ``UsageError`` when somebody else owns that name.
    """
    if closed_folder(base.parent, account) is None and closed_folder(checkout, account) is None:
        base.mkdir(parents=True, exist_ok=True)
        _open(base)
        return base
    digest = hashlib.sha256(str(checkout.resolve()).encode()).hexdigest()[:12]
    root = FALLBACK / f"searchloom-{digest}"
    root.mkdir(exist_ok=True)
    if root.is_symlink() or root.stat().st_uid != os.geteuid():
        raise UsageError(f"{root} belongs to somebody else; remove it, or clone the project where {account} can read")
    _open(root)
    folder = root / base.name
    folder.mkdir(exist_ok=True)
    _open(folder)
    return folder


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
