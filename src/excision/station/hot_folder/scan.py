"""The image files in a hot folder now: one scan, cheap enough to be repeated for days."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from excision.data.image_names import is_image_name
from excision.data.own_output import own_output, own_parts

Unreadable = Callable[[str, OSError], None]


@dataclass(frozen=True, slots=True)
class Found:
    """An image file as it is now.

    Attributes:
        path: with links in its folders resolved, so that one file has one path however it is reached.
        shown: relative to the hot folder, as it was reached.
        size: in bytes.
        mtime_ns: when it was last written, nanoseconds since 1970.
    """

    path: str
    shown: str
    size: int
    mtime_ns: int


def scan(
    folder: Path, leave_out: Path, unreadable: Unreadable, passed_over: Callable[[str], None]
) -> Iterator[Found]:
    """Give every image file anywhere below a folder, in no order.

    Linked folders are followed, and each folder is entered once; those that are reached without a link go
    first, so that a file keeps its path when a link to its folder appears. A link to no file is given with
    the size and the time of the link itself. Pipes and devices are passed over.

    Args:
        folder: hot folder, resolved.
        leave_out: folder whose content is passed over, resolved.
        unreadable: called with (path, error) for a folder that cannot be read.
        passed_over: called with the path of a folder below that holds results or a model of Excision, whose
            pictures are not to be inspected.
    """
    walk = _Walk(str(leave_out), unreadable)
    pending, linked = [(str(folder), "")], list[tuple[str, str]]()
    while pending or linked:
        # From the end, hence the reverse order: links are followed by name, the first one first.
        real, shown = pending.pop() if pending else linked.pop()
        if not walk.enters(real):
            continue
        here = Path(real)
        if shown and (own_output(here) or here.name in own_parts(here.parent)):
            passed_over(real)
            continue
        for entry in walk.entries(real):
            try:
                if _is_folder(entry):
                    if entry.name.startswith("."):
                        continue
                    below = _join(shown, entry.name)
                    if entry.is_symlink():
                        linked.append((os.path.realpath(entry.path), below))
                    else:
                        pending.append((entry.path, below))
                elif is_image_name(entry.name):
                    yield from _found(entry, shown)
            except OSError as error:
                unreadable(entry.path, error)
        linked.sort(key=lambda link: link[1], reverse=True)


class _Walk:
    def __init__(self, leave_out: str, unreadable: Unreadable) -> None:
        self._leave_out = leave_out
        self._unreadable = unreadable
        self._entered: set[str] = set()

    def enters(self, real: str) -> bool:
        """Tell whether a folder is to be entered: not yet seen, and not the folder of results."""
        if within(real, self._leave_out) or real in self._entered:
            return False
        self._entered.add(real)
        return True

    def entries(self, real: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(real) as entries:
                yield from entries
        except OSError as error:
            self._unreadable(real, error)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself, for example, which is reported as a file that cannot be read.
        return False


def within(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or lies in it; both resolved."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def state_of(path: str) -> tuple[int, int] | None:
    """Give (size in bytes, time of writing in ns) as `scan` does, or None where nothing is there."""
    try:
        found = Path(path).stat()
    except OSError:
        try:
            found = Path(path).lstat()
        except OSError:
            return None
    return found.st_size, found.st_mtime_ns


def _join(folder: str, name: str) -> str:
    return f"{folder}{os.sep}{name}" if folder else name


def _found(entry: os.DirEntry[str], shown: str) -> Iterator[Found]:
    try:
        status = entry.stat()
        if not stat.S_ISREG(status.st_mode):
            return
    except OSError:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            # It has gone since the folder was read.
            return
    yield Found(entry.path, _join(shown, entry.name), status.st_size, status.st_mtime_ns)
