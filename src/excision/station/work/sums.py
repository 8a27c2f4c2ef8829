"""The sums of the files of a backup, as sha256sum writes and checks them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from excision.errors import ResultsError
from excision.station.store.connection import RESULTS
from excision.station.work.kept_images import is_inside
from excision.system.files import sha256

SUMS = "SHA256SUMS"


def sum_line(digest: str, name: str) -> str:
    """Give a line as sha256sum writes it."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{chr(92) if escaped != name else ''}{digest}  {escaped}\n"


def read_sums(backup: Path) -> Iterator[tuple[str, str]]:
    """Read the sum and the name of each file of a backup.

    Raises:
        ResultsError: there is no backup, or a line is no sum of a file in it.
    """
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


def existing(backup: Path, name: str) -> Path:
    """Give the path of a file of a backup.

    Raises:
        ResultsError: it is missing.
    """
    path = backup / name
    if not path.is_file():
        raise ResultsError(f"{path}: is missing from the backup")
    return path


def compare(path: Path, name: str, digest: str) -> None:
    """Compare a file with the sum that the backup has for this name.

    Raises:
        ResultsError: they differ.
    """
    if sha256(path) != digest:
        raise ResultsError(f"{path}: differs from its sum in {SUMS}: {name} is damaged")
