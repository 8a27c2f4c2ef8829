"""A folder of results, in which every file appears as a whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from excision.errors import ResultsError
from excision.system.files import atomic_path, temporary_beside

MOST_BYTES = 2**30
"""Largest file that is read from a folder of results."""

_DEAD = 600.0
"""Seconds after which a temporary file is that of a killed process: writing a part takes less than one."""


class Folder(Protocol):
    """A folder on a disk or in object storage.

    Attributes:
        name: path or URL.
        local: the folder on a disk; None in object storage.
    """

    name: str
    local: Path | None

    def exists(self, name: str) -> bool:
        """Tell whether a file is there."""

    def names(self, below: str) -> Iterator[str]:
        """Give the names of the files directly in a folder, in no order; none if it does not exist."""

    def reading(self, name: str) -> AbstractContextManager[Path]:
        """Give a file to read on a local disk.

        Raises:
            ResultsError: it is missing, or too large.
        """

    def writing(self, name: str) -> AbstractContextManager[Path]:
        """Give a path to write; the file appears under its name at the end, if nothing was raised."""

    def claim(self, name: str, content: bytes) -> None:
        """Write a file unless it exists; where two write at once, one of them wins."""

    def tidy(self, below: str) -> None:
        """Remove what killed processes left half written directly in a folder."""


class LocalFolder:
    """A folder on a disk."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.local: Path | None = path
        self._path = path

    def exists(self, name: str) -> bool:
        return (self._path / name).is_file()

    def names(self, below: str) -> Iterator[str]:
        with suppress(FileNotFoundError), os.scandir(self._path / below) as entries:
            yield from (entry.name for entry in entries)

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        path = self._path / name
        if not path.is_file():
            raise ResultsError(f"{path}: there is no such file")
        if path.stat().st_size > MOST_BYTES:
            raise ResultsError(f"{path}: has more than {MOST_BYTES >> 20} MiB")
        yield path

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        with atomic_path(self._path / name) as temporary:
            yield temporary

    def claim(self, name: str, content: bytes) -> None:
        target = self._path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(target)
        try:
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            try:
                # Unlike a rename, this fails if another process was first.
                os.link(temporary, target)
            except FileExistsError:
                pass
            except OSError:
                # Some network drives know no links.
                if not target.exists():
                    temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def tidy(self, below: str) -> None:
        with suppress(FileNotFoundError), os.scandir(self._path / below) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.name.startswith(".") and time.time() - entry.stat().st_mtime > _DEAD:
                        Path(entry.path).unlink()
