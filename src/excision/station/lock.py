"""One watcher for each folder of results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from excision.errors import SettingsError

LOCK = "watch.lock"


@contextmanager
def only_watcher(out: Path) -> Iterator[None]:
    """Hold a folder of results for one process; the system lets go of it however that process ends.

    Raises:
        SettingsError: another process holds it, or this system has no such locks.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        raise SettingsError(
            "--watch needs the file locks of Linux or macOS, which this system lacks"
        ) from None
    out.mkdir(parents=True, exist_ok=True)
    # The file stays: removing it would let a third process lock a new one while a second waits for the old.
    descriptor = os.open(out / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", errors="replace").strip() or "unknown"
            raise SettingsError(
                f"{out}: another watcher writes here already (process {holder}): "
                "stop it, or choose another folder with --out"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        yield
    finally:
        os.close(descriptor)
