r"""Files that a table or an annotation names, found below the folders at hand.

Other programs name images by the path that they had there: `C:\data\line2\1.png`, `s3://bucket/line2/1.png`,
`../images/1.png`. The file at hand is the one whose path, seen from one of the folders, ends the name: the
longest such ending counts.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from excision.data.listing import list_images
from excision.errors import DatasetError

_PLACE = re.compile(r"^(?:[a-z][a-z0-9+.-]*://[^/]*|file:|[a-z]:)/*", re.IGNORECASE)
"""What stands before the folders: the bucket of an address, or the letter of a drive."""

_UNUSABLE = re.compile(r"[\x00\ud800-\udfff]")


def parts_of(reference: str, where: str) -> tuple[str, ...]:
    """Give the names of folders and file in a path of any system, without `.` and what precedes `..`.

    Raises:
        DatasetError: there is none, or they can be no file name; begins with `where`.
    """
    parts: list[str] = []
    for part in _PLACE.sub("", reference.strip().replace("\\", "/")).split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    if not parts or any(_UNUSABLE.search(part) or len(os.fsencode(part)) > 255 for part in parts):
        raise DatasetError(f"{where}: {reference[:100]!r} names no file")
    return tuple(parts)


class Finder:
    """Finds the files that references mean.

    Args:
        root: folder of the data set; a name that is no path from any folder is searched in all of it.
        folders: where references may begin; the first that fits counts.
    """

    def __init__(self, root: Path, folders: Sequence[Path]) -> None:
        self._root = root
        self._folders = tuple(dict.fromkeys(folders))

    def find(self, reference: str, where: str, first: Sequence[Path] = (), fewest: int = 1) -> Path | None:
        """Give the file of a reference, or None if it is not there.

        Args:
            reference: a path of any system, or an address.
            where: what names it, for messages.
            first: folders to look in before the others.
            fewest: names of folders and file that have to agree, if the reference has as many.

        Raises:
            DatasetError: it can be no file, or several files fit equally well.
        """
        folders = tuple(dict.fromkeys((*first, *self._folders)))
        spellings = [parts_of(spelled, where) for spelled in _spellings(reference)]
        for parts in spellings:
            path = self._along(parts, folders, fewest) or self._anywhere(parts, reference, where)
            if path is not None:
                return path
        return None

    def _along(self, parts: tuple[str, ...], folders: Sequence[Path], fewest: int) -> Path | None:
        """Give the file that the longest ending of a path leads to from one of the folders."""
        for start in range(max(len(parts) - fewest, 0) + 1):
            for folder in folders:
                path = folder.joinpath(*parts[start:])
                if is_file(path):
                    return path
        return None

    def _anywhere(self, parts: tuple[str, ...], reference: str, where: str) -> Path | None:
        """Give the file below the root whose path ends so, whatever the form of accented letters."""
        wanted = tuple(map(_composed, parts))
        named = self._by_name.get(wanted[-1], [])
        fitting = [path for path in named if tuple(map(_composed, path.parts[-len(parts) :])) == wanted]
        if len(fitting) > 1:
            raise DatasetError(
                f"{where}: {reference[:200]} may be {fitting[0]} or {fitting[1]}; add the folder to its name"
            )
        return fitting[0] if fitting else None

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for image in list_images(self._root).images:
            found[_composed(image.name)].append(image)
        return found


def _spellings(reference: str) -> list[str]:
    """Give what a reference may mean: the path as it is, or that of an address, with `%20` for a space."""
    address = reference.partition("?")[0]
    return list(dict.fromkeys((reference, unquote(reference), unquote(address))))


def _composed(name: str) -> str:
    """Give a name with composed letters: macOS stores decomposed ones, other systems what they are given."""
    return unicodedata.normalize("NFC", name)


def is_file(path: Path) -> bool:
    """Tell whether there is a file; a name that the system refuses is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder; a name that the system refuses is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def identity(path: Path) -> tuple[int, int] | str:
    """Give the same value for every spelling of a file, and for every link to it."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return os.path.normpath(path)
    return status.st_dev, status.st_ino


def name_below(path: Path, root: Path) -> str:
    """Give the name of a file as seen from the root, with forward slashes; outside of it, its whole path."""
    # Without resolving links: a linked image keeps the place that the user gave it.
    plain, base = Path(os.path.normpath(path)), Path(os.path.normpath(root))
    return plain.relative_to(base).as_posix() if plain.is_relative_to(base) else plain.as_posix()


def files_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Give the visible files directly in a folder whose names end so; none if it is closed."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    endings = tuple(suffixes)
    return [p for p in paths if p.name.lower().endswith(endings) and p.name[0] != "." and is_file(p)]


def files_below(folder: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """Give the visible files below a folder whose names end in one of the suffixes, in the order of names."""
    for current, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(tuple(suffixes)) and not name.startswith("."):
                yield Path(current, name)
