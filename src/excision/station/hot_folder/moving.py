"""Moving inspected files: never over another file, and each file in one place at a time."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from excision.system.names import fit_name

# Errors of a file system without hard links, or without the right to link a file of another user.
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def free_path(folder: Path, shown: str, mtime_ns: int) -> Path:
    """Choose where in a folder a file is to go: under its own name, or with its time where that is taken.

    Args:
        folder: that it goes into.
        shown: the file's path in the hot folder; its sub-path is kept. A name that is longer than a file
            system takes, as one whose odd bytes have become escapes may be, is cut.
        mtime_ns: when the file was last written, nanoseconds since 1970.

    Raises:
        OSError: the folder cannot be looked into.
    """
    *folders, name = Path(shown).parts
    wanted = folder.joinpath(*map(fit_name, folders), fit_name(Path(name).stem, Path(name).suffix))
    return next(place for place in _candidates(wanted, mtime_ns) if not os.path.lexists(place))


def move_file(source: Path, place: Path) -> None:
    """Move a file, also to another file system; what a kill interrupted is finished by doing it again.

    At no moment is the file in neither place, and a half copy lies only under a hidden name. A link is moved
    as one that points to where it pointed before.

    Args:
        source: file to move.
        place: where to; its folders are made.

    Raises:
        FileExistsError: another file is there.
        OSError: it cannot be written, or the source is gone.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        _move_link(source, place)
        return
    try:
        os.link(source, place)
    except FileExistsError:
        if not _is_the_same(source, place):
            raise
    except OSError as error:
        if error.errno == errno.EXDEV:
            _copy(source, place)
        elif error.errno in _NO_LINKS:
            _rename(source, place)
            return
        else:
            raise
    # An earlier move that was killed may have left it.
    _half(place).unlink(missing_ok=True)
    source.unlink()


def _candidates(wanted: Path, mtime_ns: int) -> Iterator[Path]:
    yield wanted
    # The time first: where every file has one name, counting up would have to pass all that are there.
    yield _renamed(wanted, f"-{mtime_ns}")
    for number in itertools.count(1):
        yield _renamed(wanted, f"-{mtime_ns}-{number}")


def _renamed(path: Path, addition: str) -> Path:
    return path.with_name(fit_name(path.stem, addition + path.suffix))


def _move_link(source: Path, place: Path) -> None:
    target = source.parent / source.readlink()
    try:
        place.symlink_to(target)
    except FileExistsError:
        if not place.is_symlink() or place.readlink() != target:
            raise
    source.unlink()


def _is_the_same(source: Path, place: Path) -> bool:
    """Tell whether a kill came after a file had its new name, and before it lost the old one."""
    if place.is_symlink() or not place.is_file():
        return False
    if os.path.samestat(source.stat(), place.stat()):
        return True
    # A copy; its time says nothing, since not every file system keeps it to the nanosecond.
    return filecmp.cmp(source, place, shallow=False)


def _rename(source: Path, place: Path) -> None:
    if os.path.lexists(place):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place))
    source.rename(place)


def _half(place: Path) -> Path:
    # One name for each place, so that what a kill left of it is written over when the move is finished.
    return place.with_name(fit_name(f".{place.name}", ".half"))


def _copy(source: Path, place: Path) -> None:
    half = _half(place)
    try:
        shutil.copyfile(source, half)
        with contextlib.suppress(PermissionError):
            # Some network shares take no times and rights: what is in the file matters more.
            shutil.copystat(source, half)
        with half.open("rb") as stream:
            os.fsync(stream.fileno())
        _name(half, place)
    finally:
        half.unlink(missing_ok=True)


def _name(half: Path, place: Path) -> None:
    try:
        os.link(half, place)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename(half, place)
