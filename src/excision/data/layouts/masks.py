"""Telling masks from images in a folder, and finding the image that each mask belongs to."""

from __future__ import annotations

import filecmp
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from excision.data import mask_names as names
from excision.data.layouts.hidden_masks import kind_of, refuse_hidden_masks
from excision.data.listing import relative_name
from excision.data.records import Sample, UnusedMask
from excision.errors import DatasetError

_PEEKED = 8
"""Pictures of a folder that are looked at to tell whether it holds masks."""


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
    refuse_hidden_masks(root, images)
    index = _Index(root, images, normal, {names.folded(name) for name in neutral})
    masks: dict[Path, Path] = {}
    unused: list[UnusedMask] = []
    for mask in (path for path in paths if path in found.places):
        image, reason = index.image_of(mask, found.places[mask])
        if image is None:
            unused.append(UnusedMask(mask, relative_name(mask, root), reason))
        elif image not in masks:
            masks[image] = mask
        elif not filecmp.cmp(masks[image], mask, shallow=False):
            first, second = relative_name(masks[image], root), relative_name(mask, root)
            raise DatasetError(f"{image}: has two masks that differ, {first} and {second}; keep one of them")
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
            shown = relative_name(mask, root)
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
        self._stems: dict[Path, dict[str, Path]] = {}
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
            self.notes.append(
                f"{relative_name(parent / child, self._root)}/ was taken for masks by what it holds."
            )
            return ""
        return None

    def _looks_like_masks(self, folder: Path) -> bool:
        files = [f for below, files in self._below.items() if below.is_relative_to(folder) for f in files]
        peeked = files[:: max(1, len(files) // _PEEKED)][:_PEEKED]
        kinds = {kind_of(file) for file in peeked}
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
            if kind_of(file) != "picture" and not names.is_mask_word(others[0].stem):
                self.places[file] = (place, (others[0].stem,))
        elif (picture := self._begun_by(file, files)) is not None and kind_of(file) == "mask":
            if kind_of(picture) == "picture":
                self.places[file] = (place, (picture.stem,))
        elif names.ends_as_mask(file.stem) and (
            (kind := kind_of(file)) == "mask" or (kind == "blank" and names.is_surely_mask(file.stem))
        ):
            self.places[file] = (place, tuple(names.stems_of_mask(file.stem))[1:])

    def _begun_by(self, file: Path, files: list[Path]) -> Path | None:
        """Give the image whose name a file begins or ends with: 1.png of 1_binary.png, 1GT.png, m_1.png."""
        if file.parent not in self._stems:
            self._stems[file.parent] = {other.stem: other for other in reversed(files)}
        stems, stem = self._stems[file.parent], file.stem
        begun = [stem[:cut] for cut in range(len(stem) - 1, 0, -1) if not stem[cut].isdigit()]
        ended = [stem[cut:] for cut in range(1, len(stem)) if not stem[cut - 1].isalnum()]
        return next((stems[base] for base in (*begun, *ended) if base in stems), None)

    def _same_stem(self, same: list[Path], place: tuple[str, ...]) -> None:
        """Find the masks that are named as their image but for the ending, such as 1.jpg and 1.png."""
        same = list(dict.fromkeys(same))
        if len(same) < 2:
            return
        kinds = {file: kind_of(file) for file in same}
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


def _steps(root: Path, folder: Path) -> list[tuple[Path, str]]:
    """Give the folders from the root to a folder, each as its parent and its name."""
    parts = folder.relative_to(root).parts
    return [(root.joinpath(*parts[:depth]), part) for depth, part in enumerate(parts)]
