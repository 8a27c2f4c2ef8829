"""A folder of results in object storage."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from excision.errors import ResultsError
from excision.storage.folder import MOST_BYTES
from excision.storage.remote import S3, WEB, fetch_remote, locate, retried

_WHOLE = (*S3, "gs", "gcs", "az", "abfs", "abfss", "memory")
"""Kinds of storage in which a file appears only when it is complete."""


class RemoteFolder:
    """A folder in object storage, by its URL.

    Raises:
        ResultsError: the URL is that of a web server.
        SettingsError: what the URL needs is not installed.
    """

    def __init__(self, url: str) -> None:
        self.name = url.rstrip("/")
        self.local: Path | None = None
        self._scheme = url.partition("://")[0]
        if self._scheme in WEB:
            raise ResultsError(f"{url}: results cannot be written to a web server")
        self._system, self._path = locate(self.name)

    def exists(self, name: str) -> bool:
        try:
            return bool(retried(self._system.exists, f"{self._path}/{name}"))
        except Exception as error:
            # Each storage library raises errors of its own.
            raise self._cannot("read", name, error) from error

    def names(self, below: str) -> Iterator[str]:
        folder = f"{self._path}/{below}"
        try:
            found = retried(self._system.ls, folder, detail=False)
        except FileNotFoundError:
            return
        except Exception as error:
            raise self._cannot("listed", below, error) from error
        for path in (str(each).rstrip("/") for each in found):
            # A folder that was made by hand is an empty file there, with the name of the folder.
            if path != folder.rstrip("/"):
                yield path.rpartition("/")[2]

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="excision-") as made:
            target = Path(made) / Path(name).name
            fetch_remote(f"{self.name}/{name}", target, MOST_BYTES, ResultsError)
            yield target

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="excision-") as made:
            path = Path(made) / Path(name).name
            yield path
            self._put(path, name)

    def _put(self, path: Path, name: str, mode: str | None = None) -> None:
        target = f"{self._path}/{name}"
        extra = {} if mode is None else {"mode": mode}
        try:
            if self._scheme in _WHOLE:
                retried(self._system.put_file, str(path), target, **extra)
                return
            folder, _, file = target.rpartition("/")
            hidden = f"{folder}/.{file}"
            retried(self._system.makedirs, folder, exist_ok=True)
            retried(self._system.put_file, str(path), hidden)
            retried(self._system.mv, hidden, target)
        except FileExistsError:
            raise
        except Exception as error:
            raise self._cannot("written", name, error) from error

    def _cannot(self, done: str, name: str, error: Exception) -> ResultsError:
        return ResultsError(f"{self.name}/{name}: cannot be {done} ({type(error).__name__}: {error})")

    def claim(self, name: str, content: bytes) -> None:
        if self.exists(name):
            return
        with tempfile.TemporaryDirectory(prefix="excision-") as made:
            path = Path(made) / Path(name).name
            path.write_bytes(content)
            # Only S3 lets a write fail because another process was first.
            mode = "create" if self._scheme in S3 else None
            try:
                self._put(path, name, mode)
            except FileExistsError:
                return
            except ResultsError:
                if not self.exists(name):
                    raise

    def tidy(self, below: str) -> None:
        """Do nothing: what is not complete does not appear."""
