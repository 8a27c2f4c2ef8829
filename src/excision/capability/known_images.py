"""Which images a model was trained and calibrated on, as its folder tells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.method.run_folder import FINGERPRINT
from excision.runtime.trained_on import TrainedOn, image_key
from excision.system.files import sha256
from excision.training import KNOWN_DEFECTS

_MOST_BYTES = 256 * 2**20  # of a fingerprint: it has a line for each image


@dataclass(frozen=True, slots=True)
class KnownImages:
    """The images of a model.

    Attributes:
        exported: hashes of the training images in an exported folder; None if it has none.
        files: SHA-256 of the training images of a run folder; empty if it has none.
        calibration: likewise of its calibration images.
        defects: likewise of the known defects that sharpened its attention.
    """

    exported: TrainedOn | None
    files: frozenset[str]
    calibration: frozenset[str]
    defects: frozenset[str] = frozenset()

    @property
    def are_known(self) -> bool:
        """Whether the folder says which images the model was trained on."""
        return self.exported is not None or bool(self.files)

    @classmethod
    def of(cls, folder: Path) -> KnownImages:
        """Read them from a run folder or an exported folder; a damaged fingerprint counts as none.

        Raises:
            ModelError: the hashes of an exported folder are damaged.
        """
        told = _fingerprint(folder / FINGERPRINT)
        return cls(TrainedOn.load(folder), told["training"], told["calibration"], told[KNOWN_DEFECTS])

    def has_file(self, path: Path) -> bool:
        """Tell whether the model was trained on a file with this content; False if it cannot be read."""
        try:
            if self.exported is not None and self.exported.has_file(path):
                return True
            return bool(self.files) and sha256(path) in self.files
        except OSError:
            return False  # it is reported when it is opened

    def has_calibrated(self, path: Path) -> bool:
        """Tell whether a file with this content set the threshold; False if it cannot be read."""
        try:
            if self.exported is not None and self.exported.has_calibrated(path):
                return True
            return bool(self.calibration) and sha256(path) in self.calibration
        except OSError:
            return False

    def has_defect(self, path: Path) -> bool:
        """Tell whether a file with this content is a known defect; False if it cannot be read."""
        try:
            if self.exported is not None and self.exported.has_defect(path):
                return True
            return bool(self.defects) and sha256(path) in self.defects
        except OSError:
            return False

    def has_image(self, working: NDArray[np.uint16]) -> bool:
        """Tell whether the model was trained on the pixels of a working image (H, W, C), in any file."""
        return self.exported is not None and image_key(working) in self.exported.images


def _fingerprint(path: Path) -> dict[str, frozenset[str]]:
    """Give the hashes of the training and calibration images and of the known defects of a run folder."""
    parts = ("training", "calibration")
    nothing = dict.fromkeys((*parts, KNOWN_DEFECTS), frozenset[str]())
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return nothing
        content: Any = json.loads(path.read_text("utf-8"))
        told = {part: content[part] for part in parts} | {KNOWN_DEFECTS: content.get(KNOWN_DEFECTS, {})}
        return {part: frozenset(map(str, images.values())) for part, images in told.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return nothing
