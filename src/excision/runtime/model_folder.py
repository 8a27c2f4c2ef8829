"""The exported folder: everything needed for inspection on the line, without torch.

model.onnx       the graph, or model.xml and model.bin for OpenVINO
model.json       size, thresholds, calibration, the origin of the model, and hashes of the other files
region.png       region of interest, white where a defect counts; absent where it counts everywhere
fitness.json     what training images are like; absent if no image is judged as unfit
features.json    record of the feature network in the graph; absent if only edges are compared
golden.npz       images with the scores and maps computed by torch, for verification
trained_on.json  hashes of the images that the model has seen, whose scores are too low
calibrations.json  earlier thresholds, for undo
capability.json  which defects it is sure to find, if that was measured; changes nothing
training_settings.toml  settings of the training, for reports; changes nothing
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from excision.errors import ModelError, SettingsError
from excision.features.record import FEATURES
from excision.method.calibration import Calibration
from excision.method.fitness import FITNESS, Fitness, save_fitness
from excision.method.folder_kinds import CAPABILITY, EXPORTED_MODEL, wrong_folder
from excision.method.stored_calibration import check_entries, require, stored_calibration
from excision.runtime import description_checks as checks
from excision.runtime.backend import GRAPH_FILES, BackendName, Precision
from excision.runtime.defect_criteria import REGION, DefectCriteria
from excision.runtime.golden_file import GOLDEN
from excision.system.files import sha256, write_json
from excision.system.strict_json import read_json
from excision.tiling.geometry import Tiling
from excision.tiling.image_format import Channels, ImageFormat

DESCRIPTION = EXPORTED_MODEL
FORMAT = 5
"""Of the folders that are written. Graphs of format 1 call an output by its old name; formats 1 and 2 have no
hashes; until format 3, promises had no confidence; until format 4, graphs had no branch."""

VERDICT_FILES = (DESCRIPTION, *GRAPH_FILES, REGION, FITNESS, FEATURES)
"""Files that can change a verdict; fingerprints depend on this order, so it must not change."""

TRAINING_SETTINGS = "training_settings.toml"
"""Settings of the training; folders of earlier versions lack it."""

OTHER_FILES = (GOLDEN, "trained_on.json", "calibrations.json", CAPABILITY, TRAINING_SETTINGS)
"""The other files of the folder."""

_NEXT = {REGION: "region.next.png", FITNESS: "fitness.next.json"}  # until model.json describes it
_HASHED = (*GRAPH_FILES, REGION, GOLDEN, FITNESS, FEATURES)
_CHECKSUM = "checksum"
_WITH_HASHES = 3  # first format that has them


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
        channels: 1 (grey) or 3 (RGB); the graph takes them in [0, 1].
        mask_threshold: cells with more attention are excised; part of the graph. None for no mask.
        calibration: decision threshold and its promised false-alarm rate, from scores of this backend.
        review: lower limit of the grey zone, and the promised share of normal images above it; None for none.
        minimum_area: pixels of the working image that a defect must cover to count.
        operations: floating-point operations of "attention", "recovery" and, where they are compared, the
            "features" of a network, for one image.
        data: SHA-256 of the fingerprint of the training images.
        versions: versions of the packages that wrote the folder.
        format: format of the folder.
        tile: grid and halo if the working image is a tile of large images; None if images are resized.
        files: SHA-256 of the other files, by name; empty in folders of formats 1 and 2.
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
    files: dict[str, str] = field(default_factory=dict)

    @property
    def tiling(self) -> Tiling | None:
        """How a large image is covered by tiles; None if images are resized as a whole."""
        return None if self.tile is None else Tiling(self.size, **dataclasses.asdict(self.tile))

    @property
    def image_format(self) -> ImageFormat:
        """Size, channels and tiling of the images that the graph takes."""
        return ImageFormat(self.size, self.channels, self.tiling)

    def sealed(self, folder: Path) -> Description:
        """Return the same description, of the present format, with the hashes of the files in the folder."""
        present = {name: sha256(folder / name) for name in _HASHED if (folder / name).is_file()}
        return dataclasses.replace(self, format=FORMAT, files=present)

    def save(self, folder: Path) -> None:
        """Write `model.json`."""
        content = dataclasses.asdict(self)
        if self.format < _WITH_HASHES:
            del content["files"]
        else:
            content[_CHECKSUM] = _checksum(content)
        write_json(folder / DESCRIPTION, content)

    def save_with(self, folder: Path, criteria: DefectCriteria, fitness: Fitness | None) -> Description:
        """Write `model.json`, the region of interest and the fitness; a kill leaves the old ones or the new.

        Returns:
            The description as written.
        """
        files = {name: digest for name, digest in self.files.items() if name not in _NEXT}
        criteria.save(folder / _NEXT[REGION])
        save_fitness(folder / _NEXT[FITNESS], fitness)
        for name, following in _NEXT.items():
            if self.format >= _WITH_HASHES and (folder / following).is_file():
                files[name] = sha256(folder / following)
        saved = dataclasses.replace(self, minimum_area=criteria.minimum_area, files=files)
        saved.save(folder)
        for name, following in _NEXT.items():
            if (folder / following).is_file():
                (folder / following).replace(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
        return saved

    def optional_file(self, folder: Path, name: str) -> Path | None:
        """Return the picture of the region of interest, or the fitness; None if the folder has none."""
        following, wanted = folder / _NEXT[name], self.files.get(name)
        if wanted is not None and following.is_file() and sha256(following) == wanted:
            return following  # the recalibration was killed before the rename
        return folder / name if (folder / name).is_file() else None

    def check_files(self, folder: Path) -> None:
        """Check that the other files of the folder are those that this describes.

        Raises:
            ModelError: a file is missing, is another, or should not be there.
        """
        if self.format < _WITH_HASHES:
            return
        for name in _HASHED:
            wanted = self.files.get(name)
            try:
                path = (self.optional_file(folder, name) if name in _NEXT else None) or folder / name
                found = sha256(path) if path.is_file() else None
            except OSError as error:
                raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
            if found == wanted:
                continue
            if found is None:
                raise ModelError(f"{path} is missing: copy the folder again, or export the model again")
            if wanted is None:
                raise ModelError(f"{path}: {DESCRIPTION} describes no such file: remove it")
            raise ModelError(
                f"{path}: this is not the file that {DESCRIPTION} describes: copy the folder again, or "
                "export the model again"
            )

    @classmethod
    def load(cls, folder: Path) -> Description:
        """Read `model.json`.

        Raises:
            ModelError: the folder is not an exported folder, or the file is damaged or of a newer format.
        """
        path = folder / DESCRIPTION
        if not path.is_file():
            raise ModelError(wrong_folder(folder, "exported folder"))
        content = read_json(path)
        try:
            return cls(**_checked(content, path))
        except (ValueError, SettingsError, RecursionError) as error:
            raise ModelError(f"{path}: this does not describe an exported model: {error}") from error


def is_exported(folder: Path) -> bool:
    """Return whether a folder is an exported folder, that is, has a description."""
    return (folder / DESCRIPTION).is_file()


def _checked(content: Any, path: Path) -> dict[str, Any]:
    """Return the arguments of a description.

    Raises:
        ModelError: the format is newer.
        SettingsError: the tiles do not fit.
        ValueError: an entry is missing, unknown, or wrong.
    """
    require(isinstance(content, dict) and "format" in content, "it has no entry 'format'")
    version = checks.whole(content["format"], "format", 1, 2**63)
    if version > FORMAT:
        raise ModelError(
            f"{path}: format {version} is later than {FORMAT}, the latest that this version of Excision "
            "reads: update this installation"
        )
    names = {entry.name for entry in dataclasses.fields(Description)} - {"tile", "files"}
    if version >= _WITH_HASHES:
        check_entries(content, {*names, "tile", "files", _CHECKSUM}, (), "it")
        entries = {name: value for name, value in content.items() if name != _CHECKSUM}
        require(
            content[_CHECKSUM] == _checksum(entries),
            "its checksum is wrong, so an entry was changed since it was written: copy the folder again, and "
            "change thresholds with `excision calibrate`",
        )
    else:
        # Folders written before tiling existed lack this entry.
        check_entries(content, names, {"tile"}, "it")
    return _values(content)


def _values(content: dict[str, Any]) -> dict[str, Any]:
    checks.check_backend(content["backend"], content["precision"])
    size, tile = checks.size(content["size"]), _tile(content.get("tile"))
    if tile is not None:
        Tiling(size, tile.grid, tile.halo)  # raises an error for tiles that do not fit
    decision, review = stored_calibration(content["calibration"], "calibration"), content["review"]
    zone = None if review is None else stored_calibration(review, "review")
    checks.check_both(decision, zone)
    return {
        "backend": content["backend"],
        "precision": content["precision"],
        "size": size,
        "channels": checks.channels(content["channels"]),
        "mask_threshold": checks.mask_threshold(content["mask_threshold"]),
        "calibration": decision,
        "review": zone,
        "minimum_area": checks.minimum_area(content["minimum_area"], size, tile is not None),
        "operations": checks.counts(content["operations"], "operations"),
        "data": checks.text(content["data"], "data"),
        "versions": checks.named_texts(content["versions"], "versions"),
        "format": content["format"],
        "tile": tile,
        "files": checks.hashes(content.get("files", {})),
    }


def _tile(content: Any) -> Tile | None:
    if content is None:
        return None
    check_entries(content, ("grid", "halo"), (), "tile")
    return Tile(*(checks.whole(content[name], f"tile.{name}", 0, 2**20) for name in ("grid", "halo")))


def _checksum(content: dict[str, Any]) -> str:
    """Hash the entries, whatever their order and white space."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
