"""What takes long: proving a model, measuring it on a folder, and a threshold from confirmed good parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from excision.errors import ImageError, ModelError, SettingsError
from excision.method.calibration import Calibration, calibrate
from excision.progress import Progress
from excision.station.models.version import Version, check_name
from excision.station.station import Station
from excision.station.store.query import Query
from excision.station.store.records import standing


@dataclass(frozen=True, slots=True)
class Check:
    """How the golden images came out.

    Attributes:
        images: how many were replayed.
        drift: largest difference of a score, as a share of the threshold.
        allowed: how large it may be.
    """

    images: int
    drift: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Tell whether the model says what it should."""
        return self.drift <= self.allowed


def check_golden(version: Version, progress: Progress) -> Check:
    """Replay the golden images of an exported model one by one.

    Raises:
        ModelError: the model has none, or they are damaged.
    """
    from excision.runtime.golden_file import Golden
    from excision.runtime.model_folder import is_exported
    from excision.runtime.verification import DRIFT_LIMITS, replay

    if not is_exported(version.folder):
        raise ModelError(f"{version.folder.name} is a run folder: only an exported model has golden images")
    inspector: Any = version.predictor
    golden = Golden.load(version.folder)
    count, drift = len(golden.scores), 0.0
    progress(0, count)
    for place in range(count):
        one = slice(place, place + 1)
        proof = replay(inspector, Golden(golden.images[one], golden.scores[one], golden.maps[one]))
        drift = max(drift, proof.score_drift)
        progress(place + 1, count)
    return Check(count, drift, DRIFT_LIMITS[inspector.description.precision])


def folders_in(below: Path | None) -> list[str]:
    """Give the names of the folders directly in a folder that have a valid name."""
    if below is None or not below.is_dir():
        return []
    return sorted(path.name for path in below.iterdir() if path.is_dir() and _is_name(path.name))


def evaluate_folder(version: Version, below: Path, name: str, progress: Progress) -> Any:
    """Measure a version on a folder of images whose truth is known, without those that it was trained with.

    Args:
        version: to measure.
        below: folder of the folders that may be asked for.
        name: of one that lies directly in it; never a path.
        progress: called after each image.

    Returns:
        The evaluation, without anything written.

    Raises:
        DatasetError: the folder holds no test images.
        SettingsError: it is no name, or there is no such folder.
    """
    from excision.capability.seen_images import without_seen
    from excision.data import load_dataset
    from excision.evaluation.evaluate import measure

    if check_name(name) not in folders_in(below):
        raise SettingsError(f"there is no folder {name!r} in the station's --folders")
    dataset, seen = without_seen(load_dataset(below / name), version.folder)
    found = measure(version.predictor, dataset, progress)
    return found if seen is None else replace(found, notes=(*found.notes, f"{seen}."))


@dataclass(frozen=True, slots=True)
class Proposal:
    """A threshold for a model, not applied.

    Attributes:
        model: its name.
        calibration: threshold and what it promises.
        computed: images that were inspected again, since another model had inspected them.
        left_out: good images that were unfit, are no longer kept or cannot be read.
    """

    model: str
    calibration: Calibration
    computed: int
    left_out: int


def recalibrate(station: Station, name: str, rate: float, progress: Progress) -> Proposal:
    """Find the threshold that confirmed good parts ask for.

    A score that the same weights gave stands; other images are inspected anew where they are kept. An image
    that was unfit does not count: no threshold judges it.

    Args:
        station: with its labels.
        name: of the model.
        rate: wanted false-alarm rate, between 0 and 1.
        progress: called after each image.

    Raises:
        SettingsError: no part that is labelled good has a score, or the rate is out of range.
    """
    if not 0 < rate < 1:
        raise SettingsError(f"the false-alarm rate is {rate:g}: it must lie between 0 and 1")
    version, query = station.models.current(name), Query(model=name, labelled=True)
    total = sum(station.store.count(query).values())
    scores: list[float] = []
    computed = left_out = 0
    for done, result in enumerate(station.store.walk(query), start=1):
        progress(done, max(total, done))
        said = standing(station.store.labels(result.id))
        if result.score is None or said is None or said.truth != "good":
            continue
        if result.verdict == "unfit":
            left_out += 1
            continue
        if result.model_version.partition(".")[0] == version.weights_id:
            scores.append(result.score)
            continue
        score = _inspect_again(version, station.images.find(result.image))
        left_out += score is None
        if score is not None:
            scores.append(score)
            computed += 1
    if not scores:
        raise SettingsError(f"{name}: no part that is labelled good has a score")
    return Proposal(name, calibrate(scores, rate), computed, left_out)


def _inspect_again(version: Version, path: Path | None) -> float | None:
    if path is None:
        return None
    try:
        found = version.inspect(path)
    except ImageError:
        return None
    return None if found.unfit else found.score


def _is_name(text: str) -> bool:
    try:
        return check_name(text) == text
    except SettingsError:
        return False
