"""One process of a kind for each folder of results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from excision.errors import SettingsError
from excision.system.access import FILE, FOLDER

LOCK, SERVICE_LOCK, _PARTS_LOCK = "watch.lock", "service.lock", "parts.lock"


@contextmanager
def only_watcher(out: Path) -> Iterator[None]:
    """Hold a folder of results for one watcher; the system lets go of it however that process ends.

    Raises:
        SettingsError: another process holds it, or this system has no such locks.
    """
    with only_one(out, LOCK, "excision watch", "another watcher writes", "--out"):
        yield


@contextmanager
def only_parts(out: Path, option: str) -> Iterator[None]:
    """Hold a folder of results for one process that puts its parts together: a service or a watcher.

    Raises:
        SettingsError: another process holds it, or this system has no such locks.
    """
    other = "another process puts parts together ([parts])"
    with only_one(out, _PARTS_LOCK, "[parts]", other, option):
        yield


@contextmanager
def only_one(out: Path, lock: str, what: str, other: str, option: str) -> Iterator[None]:
    """Hold a folder for one process of a kind.

    Args:
        out: the folder; it is made where it does not exist.
        lock: name of the file in it that is locked.
        what: needs the lock, for the message.
        other: what the process that holds it does, for the message.
        option: that names another folder, for the message.

    Raises:
        SettingsError: another process holds it, or this system has no such locks.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        raise SettingsError(
            f"{what} needs the file locks of Linux or macOS, which this system lacks"
        ) from None
    out.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    # The file stays: removing it would let a third process lock a new one while a second waits for the old.
    descriptor = os.open(out / lock, os.O_RDWR | os.O_CREAT, FILE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", errors="replace").strip() or "unknown"
            raise SettingsError(
                f"{out}: {other} here already (process {holder}): "
                f"stop it, or choose another folder with {option}"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        yield
    finally:
        os.close(descriptor)


def holder(folder: Path, lock: str) -> int | None:
    """Give the process that holds a folder by a lock; None where none does, or this cannot be known."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return None
    try:
        descriptor = os.open(folder / lock, os.O_RDONLY)
    except OSError:
        return None
    try:
        written = os.read(descriptor, 32).decode("ascii", errors="replace").strip()
        # Only where the last holder may be alive: for a moment, looking holds the folder as well.
        if not written.isdecimal() or not Path(f"/proc/{written}").exists():
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return int(written)
    finally:
        os.close(descriptor)
