"""What a person names to be inspected: files, folders, patterns, and lists of them."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from excision.data.listing import is_image_name, list_images
from excision.errors import DatasetError

STDIN = "-"


def expand(words: Sequence[str], stdin: BinaryIO | None = None) -> list[Path]:
    """Turn words into files and folders, in their order.

    What exists under the very name is taken as it is. `@list.txt` is a text file with a path or pattern a
    line, relative to the list's folder; `-` is such a list on standard input, relative to the working folder.
    Empty lines and those that begin with `#` say nothing. Of what a pattern matches, image files and folders
    are taken; `**` stands for any number of folders, of which each is entered once.

    Args:
        words: as given.
        stdin: to read a list from; standard input where not given.

    Raises:
        DatasetError: a list cannot be read, or a pattern matches nothing.
    """
    return [path for word in words for path in _of_word(word, stdin)]


def _of_word(word: str, stdin: BinaryIO | None) -> Iterator[Path]:
    if word == STDIN:
        yield from _listed((stdin or sys.stdin.buffer).read(), Path())
    elif word.startswith("@") and not os.path.lexists(word):
        listing = Path(word[1:])
        try:
            content = listing.read_bytes()
        except OSError as error:
            raise DatasetError(f"{listing}: this list cannot be read ({error.strerror})") from error
        yield from _listed(content, listing.parent)
    else:
        yield from _of_path(Path(word))


def _listed(content: bytes, folder: Path) -> Iterator[Path]:
    # Editors of some systems begin a text with a mark; names need not be text.
    for line in content.removeprefix(b"\xef\xbb\xbf").splitlines():
        name = os.fsdecode(line.strip())
        if name and not name.startswith("#"):
            yield from _of_path(folder / name)


def _of_path(path: Path) -> Iterator[Path]:
    if os.path.lexists(path) or not glob.has_magic(str(path)):
        # What does not exist is reported like any image that cannot be read.
        yield path
        return
    found = _matching(path)
    if not found:
        raise DatasetError(f"{path}: no image or folder matches this pattern")
    yield from found


def _matching(pattern: Path) -> list[Path]:
    parts = pattern.parts
    if "**" not in parts:
        return [path for path in _globbed(pattern) if is_image_name(path.name) or path.is_dir()]
    place = parts.index("**")
    tail = parts[place:]
    found: dict[Path, None] = {}
    for folder in _globbed(Path(*parts[:place])) if place else [Path()]:
        for image in list_images(folder).images:
            inside = image.relative_to(folder).parts
            # A pattern that matches a folder takes all that is in it.
            if any(_matches(inside[:depth], tail) for depth in range(1, len(inside) + 1)):
                found[image] = None
    return list(found)


def _globbed(pattern: Path) -> list[Path]:
    # Path.glob takes no pattern that begins at the root.
    return sorted(map(Path, glob.glob(str(pattern))))  # noqa: PTH207


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
