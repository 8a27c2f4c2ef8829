"""Hashes of the images that a model was trained on: such images cannot set its threshold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.errors import ModelError
from excision.system.files import sha256, write_json
from excision.training import KNOWN_DEFECTS

TRAINED_ON = "trained_on.json"

_DIGITS = 32  # hexadecimal: 16 bytes of a SHA-256 are enough to tell images apart
_LARGEST = 512 * 2**20  # bytes of a file that is read


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """The training images of a model.

    Attributes:
        files: hash of each file.
        images: hash of each working image, which finds the same pixels in another file.
        defects: hash of each file of a known defect, which sharpened the attention.
    """

    files: frozenset[str]
    images: frozenset[str]
    defects: frozenset[str] = frozenset()

    @classmethod
    def load(cls, folder: Path) -> TrainedOn | None:
        """Read the hashes of an exported folder; None if it has none, as before format 3.

        Raises:
            ModelError: the file is damaged.
        """
        path = folder / TRAINED_ON
        if not path.is_file():
            return None
        try:
            if path.stat().st_size > _LARGEST:
                raise ModelError(f"{path}: too large for the hashes of training images")
            content = json.loads(path.read_text("utf-8"))
            files, images = (frozenset(map(str, content[part])) for part in ("files", "images"))
            return cls(files, images, frozenset(map(str, content.get(KNOWN_DEFECTS, ()))))
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise ModelError(
                f"{path}: these are not the hashes of training images ({error!r}): export the model again"
            ) from error

    @classmethod
    def of(cls, files: Iterable[str], images: Iterable[str], defects: Iterable[str] = ()) -> TrainedOn:
        """Collect the hashes.

        Args:
            files: SHA-256 of each file.
            images: `image_key` of each working image.
            defects: SHA-256 of each file of a known defect.
        """
        return cls(
            frozenset(digest[:_DIGITS] for digest in files),
            frozenset(images),
            frozenset(digest[:_DIGITS] for digest in defects),
        )

    def save(self, folder: Path) -> None:
        """Write the hashes to an exported folder."""
        known = {KNOWN_DEFECTS: sorted(self.defects)} if self.defects else {}
        write_json(folder / TRAINED_ON, {"files": sorted(self.files), "images": sorted(self.images), **known})

    def has_file(self, path: Path) -> bool:
        """Tell whether the model was trained on a file with this content.

        Raises:
            OSError: it cannot be read.
        """
        return sha256(path)[:_DIGITS] in self.files

    def has_defect(self, path: Path) -> bool:
        """Tell whether a file with this content is a known defect that sharpened the attention.

        Raises:
            OSError: it cannot be read.
        """
        return bool(self.defects) and sha256(path)[:_DIGITS] in self.defects


def image_key(working: NDArray[np.uint16]) -> str:
    """Hash the pixels of a working image (H, W, C)."""
    digest = hashlib.sha256(repr(working.shape).encode())
    digest.update(np.ascontiguousarray(working, dtype="<u2").tobytes())
    return digest.hexdigest()[:_DIGITS]
