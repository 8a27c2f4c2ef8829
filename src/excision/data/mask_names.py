"""Names by which people call masks and their folders, in any letter case and any form of Unicode."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from excision.data.image_names import is_image_name

_SURE = {"mask", "gt", "groundtruth", "segmentationmask", "binarymask", "defectmask", "maske"}
_SURE |= {f"{word}s" for word in _SURE} | {"masken"}
"""Folders of masks, whatever they hold."""

_LIKELY = {"label", "annotation", "annot", "seg", "segm", "segmentation"}
_LIKELY |= {f"{word}s" for word in _LIKELY}
"""Folders of masks if their pictures look like masks: a label may also be what is inspected."""

_IMAGES = frozenset({"images", "image", "imgs", "img"})
"""Folders that say nothing but that images are in them."""

_WORD = r"(?:masks?|gts?|ground[\s_.-]?truths?|labels?|annotations?|seg|segm|segs|segmentations?)"
_ENDING = re.compile(rf"^(.+?)[\s_.-]+({_WORD})$", re.IGNORECASE | re.DOTALL)
_ONE_SEPARATOR = re.compile(rf"^(.+)[\s_.-]({_WORD})$", re.IGNORECASE | re.DOTALL)
_BEGINNING = re.compile(rf"^({_WORD})[\s_.-]+(.+)$", re.IGNORECASE | re.DOTALL)
_SEPARATORS = re.compile(r"[\s_.-]+")


def folded(name: str) -> str:
    """Give a name in the form in which letter case and forms of Unicode make no difference."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def composed(name: str) -> str:
    """Give a name with composed letters: macOS stores decomposed ones."""
    return unicodedata.normalize("NFC", name)


def names_masks(folder: str) -> bool:
    """Tell whether a folder of this name holds masks in any case."""
    return _word(folder) in _SURE


def may_name_masks(folder: str) -> bool:
    """Tell whether a folder of this name holds masks if its pictures look like masks."""
    return _word(folder) in _LIKELY


def base_of_folder(folder: str, siblings: Sequence[str]) -> str | None:
    """Give the folder that masks belong to: `scratch` for `scratch_masks` or `gt-scratch` beside it."""
    known = {folded(name): name for name in siblings}
    return next((known[folded(base)] for base in bases(folder) if folded(base) in known), None)


def bases(name: str) -> list[str]:
    """Give what may remain of a name that ends or begins as a mask: `1` of `1_mask`, `1.GT` and `gt 1`."""
    return [*_endings(name), *(found[2] for found in (_BEGINNING.match(name),) if found)]


def ends_as_mask(stem: str) -> bool:
    """Tell whether the stem ends in a word for masks after a separator."""
    return _ENDING.match(stem) is not None


def is_surely_mask(stem: str) -> bool:
    """Tell whether the stem ends in a word that names nothing but masks."""
    found = _ENDING.match(stem)
    return found is not None and _word(found[2]) in _SURE


def is_mask_word(stem: str) -> bool:
    """Tell whether a file is called nothing but a mask, such as `mask.png`."""
    return _word(stem) in _SURE | _LIKELY


def stems_of_mask(stem: str) -> Iterator[str]:
    """Give the stems that the image of a mask may have, the most likely first."""
    yield stem
    for base in (stem, *bases(stem)):
        yield base
        if is_image_name(base):
            # Some programs append to the whole name: 1.jpg.png, 1.jpg_mask.png.
            yield PurePosixPath(base).stem


def image_folders(path: Path) -> tuple[str, ...]:
    """Give the folders of a relative path that say something about the image in it."""
    return tuple(part for part in path.parts[:-1] if folded(part) not in _IMAGES)


def _endings(name: str) -> list[str]:
    """Give what precedes the word at the end, without one separator, and without all of them."""
    return [found[1] for found in (_ONE_SEPARATOR.match(name), _ENDING.match(name)) if found]


def _word(name: str) -> str:
    return _SEPARATORS.sub("", folded(name))
