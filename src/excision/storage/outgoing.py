"""Results for object storage, written to a local folder first and copied when they are complete."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from excision.errors import SettingsError
from excision.storage.ahead import THREADS
from excision.storage.folder import Folder
from excision.storage.mirror import cache_home
from excision.storage.opening import open_folder


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A local folder whose files are to be copied to a URL.

    Attributes:
        local: folder to write to. It stays if the work is interrupted, and goes on where it was.
        url: of the folder in storage.
    """

    local: Path
    url: str

    def deliver(self) -> None:
        """Copy all files, several at once, and remove the local folder.

        Raises:
            ResultsError: a file cannot be written; the local folder stays.
        """
        if self.local.is_dir():
            upload(self.local, open_folder(self.url))
            shutil.rmtree(self.local.parent)


def outgoing_folder(url: str) -> Outgoing:
    """Give a local folder for results that belong to a URL, at which there must be no file yet.

    Raises:
        SettingsError: there are files, or what the URL needs is not installed.
        ResultsError: the URL is that of a web server.
    """
    if next(iter(open_folder(url).names("")), None) is not None:
        raise SettingsError(f"{url}: there are files already: choose another URL")
    return _outgoing(url)


def outgoing_file(url: str) -> Outgoing:
    """Give an empty local folder for a single file that belongs to a URL."""
    found = Outgoing(_outgoing(url).local, url.rpartition("/")[0])
    shutil.rmtree(found.local, ignore_errors=True)
    return found


def _outgoing(url: str) -> Outgoing:
    home = cache_home() / "outgoing" / hashlib.sha256(url.encode()).hexdigest()[:16]
    name = url.rstrip("/").rpartition("/")[2]
    home.mkdir(parents=True, exist_ok=True)
    return Outgoing(home / (name if name not in ("", ".", "..") else "results"), url)


def upload(local: Path, folder: Folder) -> None:
    """Copy all files below a local folder to a folder, several at once.

    Raises:
        ResultsError: a file cannot be written.
    """

    def put(name: str) -> None:
        with folder.writing(name) as target:
            shutil.copyfile(local / name, target)

    with ThreadPoolExecutor(THREADS, "writing") as pool:
        # The first error is raised here, after the others have ended.
        for _ in pool.map(put, _names(local)):
            pass


def _names(local: Path) -> Iterator[str]:
    for current, folders, names in os.walk(local):
        folders.sort()
        yield from (Path(current, name).relative_to(local).as_posix() for name in sorted(names))
