"""Expands the inputs given on the command line: files, folders, patterns, and lists of them."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from excision.data.listing import match_pattern
from excision.errors import DatasetError
from excision.storage.entry import is_url

STDIN = "-"


def expand(words: Sequence[str], stdin: BinaryIO | None = None) -> list[Path | str]:
    """Expand arguments to files and folders, in order; URLs stay as they are, as text.

    An argument that is the name of an existing file or folder is taken literally. `@list.txt` is a text file
    with one path or pattern per line, relative to the folder of the list; `-` reads such a list from standard
    input, relative to the working folder. Empty lines and lines that begin with `#` are ignored. A pattern
    matches image files and folders; `**` matches any number of folders, each of which is entered once.

    Args:
        words: arguments as given.
        stdin: stream for `-`; None takes standard input.

    Raises:
        DatasetError: a list cannot be read, or a pattern matches nothing.
    """
    return [path for word in words for path in _of_word(word, stdin)]


def _of_word(word: str, stdin: BinaryIO | None) -> Iterator[Path | str]:
    if is_url(word):
        yield word
    elif word == STDIN:
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


def _listed(content: bytes, folder: Path) -> Iterator[Path | str]:
    # Some editors write a byte order mark; file names need not be valid text.
    for line in content.removeprefix(b"\xef\xbb\xbf").splitlines():
        name = os.fsdecode(line.strip())
        if is_url(name):
            yield name
        elif name and not name.startswith("#"):
            yield from _of_path(folder / name)


def _of_path(path: Path) -> Iterator[Path]:
    if os.path.lexists(path) or not glob.has_magic(str(path)):
        # A file that does not exist is reported like any image that cannot be read.
        yield path
        return
    found = match_pattern(path)
    if not found:
        raise DatasetError(f"{path}: no image or folder matches this pattern")
    yield from found
