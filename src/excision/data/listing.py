"""Finding image files below a folder, whatever looping links, unreadable folders and hidden files it has."""

from __future__ import annotations

import glob
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from excision.data.image_names import is_image_name
from excision.data.own_output import own_output, own_parts
from excision.errors import PassedOverWarning


def image_files(folder: Path) -> list[Path]:
    """List the image files directly in `folder`, by name; none if it cannot be read."""
    return sorted(path for path in _entries(folder) if is_image_name(path.name) and not path.is_dir())


def subfolders(folder: Path) -> list[Path]:
    """List the visible folders directly in `folder`, by name; none if it cannot be read.

    Those that Excision wrote itself are left out; `own_subfolders` lists them.
    """
    ours = {path for path, _ in own_subfolders(folder)}
    return [path for path in _visible(folder) if path not in ours]


def own_subfolders(folder: Path) -> list[tuple[Path, str]]:
    """List the folders directly in `folder` that Excision wrote itself, each with what it is."""
    ours = own_folders(folder, [path.name for path in _visible(folder)])
    return [(folder / name, kind) for name, kind in ours.items() if kind is not None]


def own_folders(folder: Path, names: Sequence[str]) -> dict[str, str | None]:
    """Tell what each folder in `folder` is if Excision wrote it, otherwise None.

    Args:
        folder: where they are.
        names: of visible folders.
    """
    if not names:
        return {}
    parts = own_parts(folder)
    return {name: "pictures of results" if name in parts else own_output(folder / name) for name in names}


def passed_over(folders: Iterable[tuple[Path, str]], root: Path) -> list[str]:
    """Describe in sentences which folders were passed over because Excision wrote them."""
    return [
        f"{relative_name(path, root)}/ was passed over: Excision wrote it ({kind})." for path, kind in folders
    ]


def warn_passed_over(listing: Listing) -> None:
    """Warn of each folder that was not searched because Excision wrote it."""
    for note in passed_over(listing.ours, Path()):
        warnings.warn(note, PassedOverWarning, stacklevel=3)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in _entries(folder) if not path.name.startswith(".") and path.is_dir())


@dataclass
class Listing:
    """The files below a folder.

    Attributes:
        images: image files, by name. Broken links are listed too, so that they are reported.
        ignored: number of other visible files for each file name ending.
        unreadable: folders that could not be opened.
        ours: folders that Excision wrote itself and that were not entered, each with what it is.
    """

    images: list[Path] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    unreadable: list[Path] = field(default_factory=list)
    ours: list[tuple[Path, str]] = field(default_factory=list)

    def notes(self, root: Path) -> list[str]:
        """Describe in sentences what was ignored."""
        lines = [f"{relative_name(path, root)}: the folder cannot be read" for path in self.unreadable]
        lines += passed_over(self.ours, root)
        if self.ignored:
            kinds = ", ".join(
                f"{n} {suffix or 'without an ending'}" for suffix, n in sorted(self.ignored.items())
            )
            lines.append(f"Ignored files that are not images: {kinds}.")
        return lines


def list_images(folder: Path) -> Listing:
    """List the image files anywhere below `folder`; linked folders are followed, each folder once.

    Folders below it that Excision wrote itself are not entered.
    """
    listing = Listing()
    seen: set[str] = set()

    def keep(error: OSError) -> None:
        listing.unreadable.append(Path(error.filename))

    for current, folders, names in os.walk(folder, onerror=keep, followlinks=True):
        # Links may lead back up, so a folder is not entered again under another name.
        real = os.path.realpath(current)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        ours = own_folders(Path(current), sorted(name for name in folders if not name.startswith(".")))
        listing.ours += [(Path(current, name), kind) for name, kind in ours.items() if kind is not None]
        folders[:] = [name for name, kind in ours.items() if kind is None]
        for name in names:
            if is_image_name(name):
                listing.images.append(Path(current, name))
            elif not name.startswith("."):
                listing.ignored[Path(name).suffix.lower()] += 1
    listing.images.sort()
    return listing


def match_pattern(pattern: Path) -> list[Path]:
    """List the image files and folders that a glob pattern matches, by name.

    `**` stands for any number of folders, each of which is entered once; such a pattern gives image files
    only.
    """
    parts = pattern.parts
    if "**" not in parts:
        return [path for path in _globbed(pattern) if is_image_name(path.name) or path.is_dir()]
    place = parts.index("**")
    tail = parts[place:]
    found: dict[Path, None] = {}
    for folder in _globbed(Path(*parts[:place])) if place else [Path()]:
        listing = list_images(folder)
        warn_passed_over(listing)
        for image in listing.images:
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


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return


def relative_name(path: Path, root: Path) -> str:
    """Give the path within a folder, with forward slashes; the whole path if it lies elsewhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
