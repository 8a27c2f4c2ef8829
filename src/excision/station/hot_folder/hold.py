"""One watcher for each hot folder: a lock on the folder itself, in which nothing is written."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from excision.errors import SettingsError


class FolderHold:
    """Holds a hot folder; the system lets go of it however this process ends.

    Args:
        folder: hot folder, resolved.
        note: called with a sentence that a person should read.

    Raises:
        SettingsError: another watcher holds the folder.
    """

    def __init__(self, folder: Path, note: Callable[[str], None]) -> None:
        self._folder, self._note = folder, note
        self._descriptor: int | None = None
        self._held: tuple[int, int] | None = None
        self._said = ""
        reason = self._take()
        if reason is not None:
            raise SettingsError(f"{reason}: stop it first")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def renew(self) -> bool:
        """Hold the folder that has the path now, if it was replaced, and tell whether it may be watched."""
        if self._held in (None, self._identity()) and not self._is_removed():
            return True
        reason = self._take()
        if reason is not None:
            self._say(f"{reason}; this one waits until it ends")
        return reason is None

    def _take(self) -> str | None:
        """Lock the folder, and return why that is refused, or None."""
        import fcntl  # `only_watcher` has refused systems without it

        self._release()
        try:
            self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(self._descriptor)
            self._release()
            self._held = (0, 0)
            return f"{self._folder}: another watcher inspects this folder already{holder}"
        except FileNotFoundError:
            self._held = (0, 0)
            return None
        except OSError as error:
            self._release()
            self._say(
                f"{self._folder}: this file system has no locks ({error.strerror}), so a second watcher "
                "of it is not noticed"
            )
            return None
        self._held = self._identity()
        return None

    def _is_removed(self) -> bool:
        """Tell whether the held folder was removed: another one may have its number by now."""
        return (
            self._descriptor is not None
            and os.fstat(self._descriptor).st_nlink == 0
            and self._folder.exists()
        )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._folder.stat()
        except OSError:
            return self._held
        return found.st_dev, found.st_ino

    def _say(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            self._note(sentence)

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._held = None


def _holder(descriptor: int | None) -> str:
    """Name the process that has locked an open folder, where the system tells."""
    if descriptor is None:
        return ""
    node = str(os.fstat(descriptor).st_ino)
    with suppress(OSError):
        for line in Path("/proc/locks").read_text("ascii").splitlines():
            words = line.split()
            if len(words) > 5 and words[1] == "FLOCK" and words[5].rpartition(":")[2] == node:
                return f" (process {words[4]})"
    return ""
