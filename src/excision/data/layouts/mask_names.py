"""Names by which people call masks and their folders, in any letter case and any form of Unicode."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from excision.data.listing import is_image_name

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
    for base in (_ending(folder), _beginning(folder)):
        if base is not None and folded(base) in known:
            return known[folded(base)]
    return None


def base_of_file(stem: str) -> str | None:
    """Give the stem of the image for the stem of a mask that ends as one, such as `1_mask` or `1.GT`."""
    return _ending(stem)


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
    for base in (stem, _ending(stem), _beginning(stem)):
        if base is not None:
            yield base
            if is_image_name(base):
                # Some programs append to the whole name: 1.jpg.png, 1.jpg_mask.png.
                yield PurePosixPath(base).stem


def base_begun(stem: str) -> str | None:
    """Give the stem of the image for the stem of a mask that begins as one, such as `mask_1`."""
    return _beginning(stem)


def image_folders(path: Path) -> tuple[str, ...]:
    """Give the folders of a relative path that say something about the image in it."""
    return tuple(part for part in path.parts[:-1] if folded(part) not in _IMAGES)


def _ending(name: str) -> str | None:
    found = _ENDING.match(name)
    return found[1] if found else None


def _beginning(name: str) -> str | None:
    found = _BEGINNING.match(name)
    return found[2] if found else None


def _word(name: str) -> str:
    return _SEPARATORS.sub("", folded(name))
