"""Hashes of the images that a model has seen: of such images its scores are too low."""

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

_CALIBRATION = "calibration"
_DIGITS = 32  # hexadecimal: 16 bytes of a SHA-256 are enough to tell images apart
_LARGEST = 512 * 2**20  # bytes of a file that is read


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """The images that a model has seen.

    Attributes:
        files: hash of each file with a training image.
        images: hash of each working image of these, which finds the same pixels in another file.
        defects: hash of each file of a known defect, which sharpened the attention.
        calibration: hash of each file with an image that was held out to set the threshold of the export.
            Empty in folders of earlier versions.
    """

    files: frozenset[str]
    images: frozenset[str]
    defects: frozenset[str] = frozenset()
    calibration: frozenset[str] = frozenset()

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
            others = (frozenset(map(str, content.get(part, ()))) for part in (KNOWN_DEFECTS, _CALIBRATION))
            return cls(files, images, *others)
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise ModelError(
                f"{path}: these are not the hashes of training images ({error!r}): export the model again"
            ) from error

    @classmethod
    def of(
        cls,
        files: Iterable[str],
        images: Iterable[str],
        defects: Iterable[str] = (),
        calibration: Iterable[str] = (),
    ) -> TrainedOn:
        """Collect the hashes.

        Args:
            files: SHA-256 of each file.
            images: `image_key` of each working image.
            defects: SHA-256 of each file of a known defect.
            calibration: SHA-256 of each file that was held out to set the threshold.
        """
        return cls(_short(files), frozenset(images), _short(defects), _short(calibration))

    def save(self, folder: Path) -> None:
        """Write the hashes to an exported folder."""
        known = {KNOWN_DEFECTS: self.defects, _CALIBRATION: self.calibration}
        others = {part: sorted(hashes) for part, hashes in known.items() if hashes}
        write_json(
            folder / TRAINED_ON, {"files": sorted(self.files), "images": sorted(self.images), **others}
        )

    def has_file(self, path: Path) -> bool:
        """Tell whether the model was trained on a file with this content.

        Raises:
            OSError: it cannot be read.
        """
        return sha256(path)[:_DIGITS] in self.files

    def has_calibrated(self, path: Path) -> bool:
        """Tell whether a file with this content was held out to set the threshold of the export.

        Raises:
            OSError: it cannot be read.
        """
        return bool(self.calibration) and sha256(path)[:_DIGITS] in self.calibration

    def has_defect(self, path: Path) -> bool:
        """Tell whether a file with this content is a known defect that sharpened the attention.

        Raises:
            OSError: it cannot be read.
        """
        return bool(self.defects) and sha256(path)[:_DIGITS] in self.defects


def _short(digests: Iterable[str]) -> frozenset[str]:
    return frozenset(digest[:_DIGITS] for digest in digests)


def image_key(working: NDArray[np.uint16]) -> str:
    """Hash the pixels of a working image (H, W, C)."""
    digest = hashlib.sha256(repr(working.shape).encode())
    digest.update(np.ascontiguousarray(working, dtype="<u2").tobytes())
    return digest.hexdigest()[:_DIGITS]
