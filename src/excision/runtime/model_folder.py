"""The exported folder: everything needed for inspection on the line, without torch.

model.onnx       the graph, or model.xml and model.bin for OpenVINO
model.json       size, thresholds, calibration, and the origin of the model
region.png       region of interest, white where a defect counts; absent where it counts everywhere
golden.npz       images with the scores and maps computed by torch, for verification
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from excision.errors import ModelError, SettingsError
from excision.method.calibration import Calibration
from excision.method.folder_kinds import EXPORTED_MODEL, wrong_folder
from excision.runtime.backend import GRAPH_FILES, BackendName, Precision
from excision.runtime.defect_criteria import REGION
from excision.system.files import atomic_path, write_json
from excision.tiling.geometry import Tiling
from excision.tiling.image_format import Channels, ImageFormat

DESCRIPTION, GOLDEN = EXPORTED_MODEL, "golden.npz"
FORMAT = 2
"""Of the folders that are written; graphs of format 1 call an output by its old name."""

VERDICT_FILES = (DESCRIPTION, *GRAPH_FILES, REGION)
"""Files that can change a verdict; fingerprints depend on this order, so it must not change."""

OTHER_FILES = (GOLDEN,)
"""The other files of the folder."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Grid and halo of the tiles of a large image; see `Tiling`.

    Attributes:
        grid: tiles start at multiples of this many pixels.
        halo: pixels along a shared edge in which a tile's output is discarded.
    """

    grid: int
    halo: int


@dataclass(frozen=True, slots=True)
class Description:
    """The content of `model.json`.

    Attributes:
        backend: backend that the graph was exported for.
        precision: precision in which it was verified.
        size: (H, W) of the working image in pixels.
        tile: grid and halo if the working image is a tile of large images; None if images are resized.
        channels: 1 (grey) or 3 (RGB); the graph takes them in [0, 1].
        mask_threshold: cells with more attention are excised; part of the graph. None for no mask.
        calibration: decision threshold and its promised false-alarm rate, from scores of this backend.
        review: lower limit of the grey zone, and the promised share of normal images above it; None for none.
        minimum_area: pixels of the working image that a defect must cover to count.
        operations: floating-point operations of "attention" and "recovery" for one image.
        data: SHA-256 of the fingerprint of the training images.
        versions: versions of the packages that wrote the folder.
        format: format of the folder.
    """

    backend: BackendName
    precision: Precision
    size: tuple[int, int]
    channels: Channels
    mask_threshold: float | None
    calibration: Calibration
    review: Calibration | None
    minimum_area: int
    operations: dict[str, int]
    data: str | None
    versions: dict[str, str]
    format: int = FORMAT
    tile: Tile | None = None

    @property
    def tiling(self) -> Tiling | None:
        """How a large image is covered by tiles; None if images are resized as a whole."""
        return None if self.tile is None else Tiling(self.size, **dataclasses.asdict(self.tile))

    @property
    def image_format(self) -> ImageFormat:
        """Size, channels and tiling of the images that the graph takes."""
        return ImageFormat(self.size, self.channels, self.tiling)

    def save(self, folder: Path) -> None:
        """Write `model.json`."""
        write_json(folder / DESCRIPTION, dataclasses.asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Description:
        """Read `model.json`.

        Raises:
            ModelError: the folder is not an exported folder, or the file is damaged or of a newer format.
        """
        path = folder / DESCRIPTION
        if not path.is_file():
            raise ModelError(wrong_folder(folder, "exported folder"))
        try:
            content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: cannot be read as JSON: {error}") from error
        try:
            if content["format"] > FORMAT:
                raise ModelError(
                    f"{path}: format {content['format']} is later than {FORMAT}, the latest that this "
                    "version of Excision reads: update this installation"
                )
            description = cls(**_checked(content))
            _ = description.tiling  # raises an error for tiles that do not fit
        except (KeyError, TypeError, ValueError, SettingsError) as error:
            raise ModelError(f"{path}: this does not describe an exported model: {error!r}") from error
        return description


@dataclass(frozen=True, slots=True)
class Golden:
    """Golden images, and the scores and anomaly maps that torch computed for them.

    Attributes:
        images: (N, H, W, C) uint16, working images.
        scores: (N,) float64.
        maps: (N, H, W) float32.
    """

    images: NDArray[np.uint16]
    scores: NDArray[np.float64]
    maps: NDArray[np.float32]

    def save(self, folder: Path) -> None:
        """Write `golden.npz`."""
        with atomic_path(folder / GOLDEN) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, images=self.images, scores=self.scores, maps=self.maps)

    @classmethod
    def load(cls, folder: Path) -> Golden:
        """Read `golden.npz`.

        Raises:
            ModelError: the file is missing or damaged.
        """
        path = folder / GOLDEN
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                return cls(stored["images"], stored["scores"], stored["maps"])
        except Exception as error:
            # A damaged archive can raise many types of error.
            raise ModelError(f"{path}: these are not golden images: {error}") from error


def is_exported(folder: Path) -> bool:
    """Return whether a folder is an exported folder, that is, has a description."""
    return (folder / DESCRIPTION).is_file()


def _checked(content: dict[str, Any]) -> dict[str, Any]:
    for name, allowed in (("backend", get_args(BackendName)), ("precision", get_args(Precision))):
        if content[name] not in allowed:
            raise ValueError(f"{name} is {content[name]!r}, none of {', '.join(allowed)}")
    height, width = content["size"]
    # Folders written before tiling existed lack this entry.
    review, tile = content["review"], content.get("tile")
    checked = None if tile is None else Tile(int(tile["grid"]), int(tile["halo"]))
    return {
        **content,
        "size": (int(height), int(width)),
        "calibration": _calibration(content["calibration"]),
        "review": None if review is None else _calibration(review),
        "tile": checked,
    }


def _calibration(content: dict[str, Any]) -> Calibration:
    return Calibration(**{**content, "scores": tuple(map(float, content["scores"]))})
