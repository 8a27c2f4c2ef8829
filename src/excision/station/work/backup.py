"""A copy of a station, made while it runs: the database at one moment, and the image of each result.

A backup is itself the folder of a station. Beside the database and the images it holds `SHA256SUMS`, which
`sha256sum --check` reads, and `backup.json`, which says what it is. It is made under a temporary name and
renamed once it is whole and verified; a copy that was interrupted goes on where it was.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from excision.errors import DamagedError, ReadOnlyError, ResultsError, SettingsError
from excision.progress import StageProgress
from excision.station.lock import only_one
from excision.station.store.connection import connect, make
from excision.station.store.faults import explained, of_system
from excision.station.work.kept_images import is_inside
from excision.system.access import FOLDER
from excision.system.files import atomic_path, sha256, write_json
from excision.version import __version__

RESULTS, SUMS, ABOUT, LOCK = "results.sqlite", "SHA256SUMS", "backup.json", "backup.lock"

_PAGES = 2000  # of the database in one step
_BATCH = 1000
_NAMED = 20  # missing images that are named


@dataclass
class Backup:
    """What a backup holds.

    Attributes:
        made: when its copy of the database was taken, seconds since 1970 in UTC.
        results: in the database.
        last: largest number of a result.
        images: that it holds.
        bytes: of the images.
        linked: images that are shared with the earlier backup.
        missing: images that results name and that were not there.
        first_missing: the first of these.
        version: of Excision.
        format: of the backup, 1.
    """

    made: float
    results: int = 0
    last: int = 0
    images: int = 0
    bytes: int = 0
    linked: int = 0
    missing: int = 0
    first_missing: tuple[str, ...] = ()
    version: str = __version__
    format: int = 1


def back_up(station: Path, to: Path, progress: StageProgress, since: Path | None = None) -> Backup:
    """Copy a station, which may run meanwhile.

    Args:
        station: its folder.
        to: folder of the backup, which must not exist.
        progress: called with what is done: "database", "images" and "verified".
        since: an earlier backup on the same disk: images that it holds are shared with it, not copied again.

    Raises:
        SettingsError: `to` exists, or lies inside the station; or another process makes the same backup.
        ResultsError: there is no station, its database is damaged, or the copy differs from it.
        StoreError: a disk is full or at fault; the same call goes on where it was.
    """
    if not (station / RESULTS).is_file():
        raise ResultsError(f"{station / RESULTS}: there is no such file: name the folder of a station")
    partial = _place_for(station, to)
    try:
        with only_one(partial, LOCK, "excision backup", "another backup is written", "--to"):
            backup = Backup(made=time.time())
            _copy_database(station / RESULTS, partial / RESULTS, progress)
            _copy_images(station, partial, since, backup, progress)
            write_json(partial / ABOUT, asdict(backup))
            verify(partial, progress)
            _finish(partial, to)
    except OSError as error:
        raise of_system(error, partial / RESULTS) from error
    return backup


def restore(backup: Path, to: Path, progress: StageProgress) -> int:
    """Make a station from a backup; every file is compared with its sum.

    Returns:
        The number of files.

    Raises:
        SettingsError: `to` exists.
        ResultsError: there is no backup, or a file of it is missing or damaged.
        StoreError: a disk is full or at fault.
    """
    files = list(_sums(backup))
    partial = _place_for(backup, to)
    try:
        with only_one(partial, LOCK, "excision restore", "another copy is written", "--to"):
            for done, (digest, name) in enumerate(files, start=1):
                target = partial / name
                if not (target.is_file() and sha256(target) == digest):
                    _copy(_existing(backup, name), target)
                    _compare(target, name, digest)
                progress("files", done, len(files))
            _finish(partial, to)
    except OSError as error:
        raise of_system(error, partial / RESULTS) from error
    return len(files)


def verify(backup: Path, progress: StageProgress) -> int:
    """Compare every file of a backup with its sum, and give their number.

    Raises:
        ResultsError: there is no backup, or a file of it is missing or damaged.
    """
    files = list(_sums(backup))
    for done, (digest, name) in enumerate(files, start=1):
        _compare(_existing(backup, name), name, digest)
        progress("verified", done, len(files))
    return len(files)


def _place_for(source: Path, to: Path) -> Path:
    """Give the temporary name of a copy."""
    if os.path.lexists(to):
        raise SettingsError(f"{to} exists: a copy is never written over anything; name a new folder")
    inside, outside = to.resolve(), source.resolve()
    if inside.is_relative_to(outside):
        raise SettingsError(f"{to} lies inside {source}: name a folder beside it, best on another disk")
    return to.with_name(f".{to.name[:64]}.partial")


def _copy_database(source: Path, target: Path, progress: StageProgress) -> None:
    """Copy the database as it is at one moment; the station writes on meanwhile."""

    def step(_status: int, left: int, pages: int) -> None:
        progress("database", pages - left, pages)

    fresh = target.with_name("results.new")
    for ending in ("", "-wal"):
        fresh.with_name(fresh.name + ending).unlink(missing_ok=True)
    make(fresh)
    try:
        found = _copy_at_one_moment(source, fresh, step)
    except ReadOnlyError:
        if not _is_still(source):
            raise
        found = _copy_still(source, fresh)
    if found != "ok":
        raise DamagedError(f"{source}: the file of results is damaged, and so would be its copy ({found})")
    if not _holds_results(fresh):
        raise ResultsError(f"{source}: holds no results: name the folder of a station that has started once")
    fresh.replace(target)


def _copy_at_one_moment(source: Path, fresh: Path, step: Callable[[int, int, int], None]) -> str:
    """Copy a database that may be written meanwhile, and give what SQLite says of the copy."""
    with closing(connect(source)) as reader, explained(source):
        # One moment for the whole copy: otherwise each write of the station would begin it again.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        with closing(sqlite3.connect(fresh)) as writer, explained(fresh):
            reader.backup(writer, pages=_PAGES, progress=step)
            found = _settled(writer)
        reader.execute("ROLLBACK")
    return found


def _copy_still(source: Path, fresh: Path) -> str:
    """Copy a database with its log from a read-only disk, where SQLite itself cannot open it."""
    for ending in ("", "-wal"):
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{source}{ending}", f"{fresh}{ending}")
    with closing(sqlite3.connect(fresh)) as writer, explained(fresh):
        return _settled(writer)


def _settled(copy: sqlite3.Connection) -> str:
    """Make a copy a single file, which can be hashed, and give what SQLite says of it."""
    found: str = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    copy.execute("PRAGMA journal_mode = DELETE")
    return found


def _holds_results(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'results'").fetchone()[0]
    return bool(found)


def _is_still(path: Path) -> bool:
    """Tell whether the disk of a file is mounted read-only."""
    return hasattr(os, "statvfs") and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _copy_images(
    station: Path, partial: Path, since: Path | None, backup: Backup, progress: StageProgress
) -> None:
    names: set[str] = {RESULTS}
    with closing(sqlite3.connect(partial / RESULTS)) as connection, atomic_path(partial / SUMS) as sums:
        backup.results, backup.last, total = connection.execute(
            "SELECT count(*), coalesce(max(id), 0), count(image) FROM results"
        ).fetchone()
        with sums.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(_line(sha256(partial / RESULTS), RESULTS))
            for done, image in enumerate(_images(connection.execute), start=1):
                progress("images", done, total)
                if image in names:
                    continue
                try:
                    shared = _take_inside(image, station, partial, since)
                except FileNotFoundError:
                    backup.missing += 1
                    backup.first_missing = (*backup.first_missing, image)[:_NAMED]
                else:
                    names.add(image)
                    backup.linked += shared
                    backup.images += 1
                    backup.bytes += (partial / image).stat().st_size
                    stream.write(_line(sha256(partial / image), image))


def _images(execute: Callable[..., sqlite3.Cursor]) -> Iterator[str]:
    last = 0
    while rows := execute(
        "SELECT id, image FROM results WHERE id > ? AND image IS NOT NULL ORDER BY id LIMIT ?", (last, _BATCH)
    ).fetchall():
        yield from (image for _, image in rows)
        last = rows[-1][0]


def _take_inside(image: str, station: Path, partial: Path, since: Path | None) -> bool:
    """Copy an image of a station, as `_take`.

    Raises:
        FileNotFoundError: it is not there, or a clean-up removed it meanwhile.
    """
    source = station / image
    if not is_inside(image) or not source.is_file():
        raise FileNotFoundError(image)
    try:
        return _take(source, partial / image, None if since is None else since / image)
    except FileNotFoundError:
        if source.exists():
            raise ReadOnlyError(
                f"{partial}: the folder of the copy was removed while it was written"
            ) from None
        raise


def _take(source: Path, target: Path, earlier: Path | None) -> bool:
    """Copy an image unless it is there, and tell whether it is shared with an earlier backup."""
    size = source.stat().st_size
    if target.is_file() and _same(source, target):
        return False
    if earlier is not None and earlier.is_file() and earlier.stat().st_size == size:
        target.parent.mkdir(mode=FOLDER, parents=True, exist_ok=True)
        # Another disk, or one without links: then it is copied.
        with suppress(OSError):
            target.unlink(missing_ok=True)
            target.hardlink_to(earlier)
            if _same(source, target):
                return True
            target.unlink()
    _copy(source, target)
    return False


def _same(one: Path, other: Path) -> bool:
    return sha256(one) == sha256(other)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    half = target.with_name(".half")
    digest = hashlib.sha256()
    with source.open("rb") as reader, half.open("wb") as writer:
        while piece := reader.read(2**20):
            digest.update(piece)
            writer.write(piece)
    if sha256(half) != digest.hexdigest():
        raise ResultsError(f"{half}: the copy differs from {source}: the disk does not keep what is written")
    shutil.copystat(source, half)
    half.replace(target)


def _finish(partial: Path, to: Path) -> None:
    (partial / LOCK).unlink(missing_ok=True)
    if hasattr(os, "sync"):
        os.sync()
    partial.rename(to)


def _line(digest: str, name: str) -> str:
    """Give a line as sha256sum writes it."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{chr(92) if escaped != name else ''}{digest}  {escaped}\n"


def _sums(backup: Path) -> Iterator[tuple[str, str]]:
    path = backup / SUMS
    if not path.is_file() or not (backup / RESULTS).is_file():
        raise ResultsError(f"{backup}: this is no backup: it has no {SUMS} or no {RESULTS}")
    with path.open(encoding="utf-8", newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            escaped = line.startswith("\\")
            digest, gap, name = line.removeprefix("\\").removesuffix("\n").partition("  ")
            if escaped:
                name = (
                    name.replace("\\\\", "\0").replace("\\n", "\n").replace("\\r", "\r").replace("\0", "\\")
                )
            if not gap or len(digest) != 64 or not is_inside(name):
                raise ResultsError(f"{path}: line {number} is no sum of a file in this folder")
            yield digest, name


def _existing(backup: Path, name: str) -> Path:
    path = backup / name
    if not path.is_file():
        raise ResultsError(f"{path}: is missing from the backup")
    return path


def _compare(path: Path, name: str, digest: str) -> None:
    if sha256(path) != digest:
        raise ResultsError(f"{path}: differs from its sum in {SUMS}: {name} is damaged")
