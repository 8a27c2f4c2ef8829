"""Telling masks from images in a folder, and finding the image that each mask belongs to."""

from __future__ import annotations

import filecmp
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from excision.data.layouts import mask_names as names
from excision.data.mask_shapes import kind_of_picture
from excision.data.records import Sample, UnusedMask
from excision.errors import DatasetError, ImageError

_PEEKED = 8
"""Pictures of a folder that are looked at to tell whether it holds masks."""

_COMPARED = 50
"""Folders with the names of another one that are compared with it."""


@dataclass(frozen=True, slots=True)
class Separated:
    """Images, and the masks among them.

    Attributes:
        images: all files that are no masks, in the given order.
        masks: the mask of each image that has one.
        unused: masks that belong to no image.
        notes: what was taken for masks though its name is not clear.
    """

    images: tuple[Path, ...]
    masks: dict[Path, Path]
    unused: tuple[UnusedMask, ...]
    notes: tuple[str, ...]


def separate(
    root: Path, paths: Sequence[Path], normal: Callable[[Path], bool], neutral: Iterable[str] = ()
) -> Separated:
    """Tell masks from images by their names, and where these are not clear, by their values.

    Args:
        root: folder of the data set.
        paths: image files below it.
        normal: tells from its path whether an image is normal; a mask rather belongs to one that is not.
        neutral: names of folders that are in the path of an image but not in that of its mask, such as test.

    Raises:
        DatasetError: an image has two different masks, or a folder with another name holds masks.
    """
    found = _Masks(root, paths)
    images = tuple(path for path in paths if path not in found.places)
    _refuse_hidden_masks(root, images)
    index = _Index(root, images, normal, {names.folded(name) for name in neutral})
    masks: dict[Path, Path] = {}
    unused: list[UnusedMask] = []
    for mask in (path for path in paths if path in found.places):
        image, reason = index.image_of(mask, found.places[mask])
        if image is None:
            unused.append(UnusedMask(mask, _shown(mask, root), reason))
        elif image not in masks:
            masks[image] = mask
        elif not filecmp.cmp(masks[image], mask, shallow=False):
            raise DatasetError(
                f"{image}: has two masks that differ, {_shown(masks[image], root)} and {_shown(mask, root)}; "
                "keep one of them"
            )
    return Separated(images, masks, tuple(unused), tuple(found.notes))


def settled(samples: Iterable[Sample], found: Separated, root: Path) -> tuple[list[Sample], list[UnusedMask]]:
    """Give each defective sample its mask; masks of normal images go unused.

    Args:
        samples: without masks, each the sample of one of the images.
        found: images and masks.
        root: folder of the data set.

    Returns:
        The samples, and all masks that go unused.
    """
    given, unused = [], list(found.unused)
    for sample in samples:
        mask = found.masks.get(sample.image)
        if mask is not None and not sample.defective:
            shown = _shown(mask, root)
            unused.append(UnusedMask(mask, shown, f"its image, {sample.name}, is normal", sample.image))
            mask = None
        given.append(replace(sample, mask=mask))
    return given, unused


class _Masks:
    """The masks among files, each with the folders and the stems that its image may have.

    Attributes:
        places: for each mask, the folders that its image lies in below the root, and the stems it may have.
        notes: folders that were taken for masks because of what they hold.
    """

    def __init__(self, root: Path, paths: Sequence[Path]) -> None:
        self.places: dict[Path, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self.notes: list[str] = []
        self._root = root
        self._below: dict[Path, list[Path]] = defaultdict(list)
        for path in paths:
            self._below[path.parent].append(path)
        self._folders: dict[Path, set[str]] = defaultdict(set)
        for folder in self._below:
            for parent, child in _steps(root, folder):
                self._folders[parent].add(child)
        self._judged: dict[Path, str | None] = {}
        for folder, files in self._below.items():
            self._in_folder(folder, files)

    def _in_folder(self, folder: Path, files: list[Path]) -> None:
        kept, masks = [], False
        for parent, child in _steps(self._root, folder):
            base = self._base(parent, child)
            masks |= base is not None
            kept += [child] if base is None else [base] if base else []
        if masks:
            for file in files:
                self.places[file] = (tuple(kept), tuple(names.stems_of_mask(file.stem)))
        else:
            self._beside(folder, files)

    def _base(self, parent: Path, child: str) -> str | None:
        """Give the folder that masks belong to: "" for the one they lie in; None if it holds none."""
        path = parent / child
        if path not in self._judged:
            self._judged[path] = self._judge(parent, child)
        return self._judged[path]

    def _judge(self, parent: Path, child: str) -> str | None:
        if names.names_masks(child):
            return ""
        others = sorted(self._folders[parent] - {child})
        base = names.base_of_folder(child, others)
        if base is not None:
            return base
        if names.may_name_masks(child) and self._looks_like_masks(parent / child):
            self.notes.append(f"{_shown(parent / child, self._root)}/ was taken for masks by what it holds.")
            return ""
        return None

    def _looks_like_masks(self, folder: Path) -> bool:
        files = [f for below, files in self._below.items() if below.is_relative_to(folder) for f in files]
        peeked = files[:: max(1, len(files) // _PEEKED)][:_PEEKED]
        kinds = {_kind(file) for file in peeked}
        return "mask" in kinds and "picture" not in kinds

    def _beside(self, folder: Path, files: list[Path]) -> None:
        """Find the masks that lie among the images of a folder."""
        stems: dict[str, list[Path]] = defaultdict(list)
        for file in files:
            stems[names.folded(file.stem)].append(file)
            stems[names.folded(file.name)].append(file)
        place = tuple(child for _, child in _steps(self._root, folder))
        for file in files:
            if any(names.folded(base) in stems for base in names.bases(file.stem)):
                self.places[file] = (place, tuple(names.stems_of_mask(file.stem))[1:])
            else:
                self._alone(file, files, place)
        for same in stems.values():
            self._same_stem([file for file in same if file not in self.places], place)

    def _alone(self, file: Path, files: list[Path], place: tuple[str, ...]) -> None:
        """Judge a file that is called a mask though no image beside it has the name."""
        others = [other for other in files if other != file]
        if names.is_mask_word(file.stem) and len(others) == 1:
            if _kind(file) != "picture" and not names.is_mask_word(others[0].stem):
                self.places[file] = (place, (others[0].stem,))
        elif names.ends_as_mask(file.stem) and (
            (kind := _kind(file)) == "mask" or (kind == "blank" and names.is_surely_mask(file.stem))
        ):
            self.places[file] = (place, tuple(names.stems_of_mask(file.stem))[1:])

    def _same_stem(self, same: list[Path], place: tuple[str, ...]) -> None:
        """Find the masks that are named as their image but for the ending, such as 1.jpg and 1.png."""
        same = list(dict.fromkeys(same))
        if len(same) < 2:
            return
        kinds = {file: _kind(file) for file in same}
        pictures = [file for file in same if kinds[file] == "picture"]
        if len(pictures) == 1 and all(kind in ("mask", "blank", "picture") for kind in kinds.values()):
            for file in same:
                if file != pictures[0]:
                    self.places[file] = (place, (pictures[0].stem,))


class _Index:
    """The images of a data set by the names that their masks may use."""

    def __init__(
        self, root: Path, images: Sequence[Path], normal: Callable[[Path], bool], neutral: set[str]
    ) -> None:
        self._normal = normal
        self._neutral = neutral
        self._exact: dict[tuple[tuple[str, ...], str], list[Path]] = defaultdict(list)
        self._folded: dict[tuple[tuple[str, ...], str], list[Path]] = defaultdict(list)
        self._last: dict[tuple[str, str], list[Path]] = defaultdict(list)
        self._stems: dict[str, list[Path]] = defaultdict(list)
        for image in images:
            folders = self._telling(image.relative_to(root))
            stem = image.stem
            self._exact[tuple(map(names.composed, folders)), names.composed(stem)].append(image)
            self._folded[tuple(map(names.folded, folders)), names.folded(stem)].append(image)
            self._last[names.folded(folders[-1]) if folders else "", names.folded(stem)].append(image)
            self._stems[names.folded(stem)].append(image)

    def _telling(self, path: Path) -> tuple[str, ...]:
        return tuple(f for f in names.image_folders(path) if names.folded(f) not in self._neutral)

    def image_of(self, mask: Path, place: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[Path | None, str]:
        """Give the image of a mask, or None and the reason."""
        folders = self._telling(Path(*place[0], mask.name))
        for stem in place[1]:
            for fitting in self._fitting(folders, stem):
                chosen = self._only(mask, fitting)
                if chosen is not None:
                    return chosen, ""
                if fitting:
                    return None, f"{len(fitting)} images have its name, such as {fitting[0].name}"
        return None, "no image has its name"

    def _fitting(self, folders: tuple[str, ...], stem: str) -> Iterable[list[Path]]:
        yield self._exact.get((tuple(map(names.composed, folders)), names.composed(stem)), [])
        yield self._folded.get((tuple(map(names.folded, folders)), names.folded(stem)), [])
        if folders:
            yield self._last.get((names.folded(folders[-1]), names.folded(stem)), [])
        else:
            yield self._stems.get(names.folded(stem), [])

    def _only(self, mask: Path, fitting: list[Path]) -> Path | None:
        """Give the one image that fits, of several the one that is defective, lies beside or ends alike."""
        for test in (
            lambda _: True,
            lambda image: not self._normal(image),
            lambda image: image.parent == mask.parent,
            lambda image: image.suffix.lower() == mask.suffix.lower(),
            lambda image: image.name == mask.name,
        ):
            left = [image for image in fitting if test(image)]
            if len(left) == 1:
                return left[0]
        return None


@dataclass(slots=True)
class _Folder:
    """The images of one folder."""

    stems: set[str] = field(default_factory=set)
    files: list[Path] = field(default_factory=list)

    def holds_masks(self) -> bool:
        found = False
        for file in self.files:
            kind = _kind(file)
            if kind == "picture":
                return False
            found |= kind == "mask"
        return found


def _refuse_hidden_masks(root: Path, images: Sequence[Path]) -> None:
    """Refuse a folder of masks that is not called one: all files are masks, named as images elsewhere."""
    folders: dict[Path, _Folder] = defaultdict(_Folder)
    for image in images:
        for stem in names.stems_of_mask(image.stem):
            folders[image.parent].stems.add(names.folded(stem))
        folders[image.parent].files.append(image)
    having: dict[str, list[_Folder]] = defaultdict(list)
    for folder in folders.values():
        for stem in folder.stems:
            having[stem].append(folder)
    for path, folder in folders.items():
        own = {names.folded(file.stem) for file in folder.files}
        possible = having[next(iter(own))][:_COMPARED]
        partners = [other for other in possible if other is not folder and own <= other.stems]
        if not partners or not folder.holds_masks():
            continue
        partner = next((other for other in partners if _kind(other.files[0]) == "picture"), None)
        if partner is not None:
            raise DatasetError(
                f"{path}: looks like masks of the images in {partner.files[0].parent}: it has their names, "
                f"and every file is nearly black and white. Call it {_shown(path.parent / 'masks', root)}/ "
                "if it holds masks, or list the images in a CSV file if it does not"
            )


def _kind(path: Path) -> str:
    try:
        return kind_of_picture(path)
    except ImageError:
        return "unreadable"


def _steps(root: Path, folder: Path) -> list[tuple[Path, str]]:
    """Give the folders from the root to a folder, each as its parent and its name."""
    parts = folder.relative_to(root).parts
    return [(root.joinpath(*parts[:depth]), part) for depth, part in enumerate(parts)]


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
