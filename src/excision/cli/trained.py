"""What is shown of a finished training: what it used, its result and its cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from excision.cli.advice import advise_tiles
from excision.cli.info import feature_distance, known_defects
from excision.cli.output import say, say_facts, say_text
from excision.method.run_folder import TRAINING, read_json
from excision.settings import ImageSettings
from excision.training import KNOWN_DEFECTS

if TYPE_CHECKING:
    from excision.data import Dataset
    from excision.detector import Detector
    from excision.method.calibration import Calibration
    from excision.tiling.image_format import ImageFormat

_SHOWN = 10
"""Number of skipped images that are printed; training.json lists all of them."""


def show_pictures(detector: Detector, out: Path, dataset: Dataset) -> None:
    """Draw the pictures of a training, and say where that of an odd image is, if there is one."""
    from excision.report.training import keep_pictures

    picture = keep_pictures(detector, dataset, out)
    if picture is not None:
        say(f"Odd image: {picture}")


def report(detector: Detector, out: Path, origin: str) -> None:
    """Print what a training used, its result and its cost."""
    facts = read_json(out / TRAINING)
    size, channels = detector.image_format.size, detector.image_format.channels
    calibration, fitness = detector.calibration, detector.fitness_
    say_facts(
        [
            ("Trained on", f"{_sources(facts)}; {_calibrated(facts, calibration)}"),
            *_groups(facts),
            *known_defects(facts),
            ("Skipped", f"{len(facts['skipped'])} images" if facts["skipped"] else "none"),
            ("Image size", f"{size[0]} x {size[1]} pixels (height x width), {origin}"),
            ("Channels", "1 (grey)" if channels == 1 else "3 (colour)"),
            *feature_distance(out),
            ("Threshold", f"{calibration.threshold:.6g}"),
            ("Promise", calibration.explain()),
            ("Unfit images", "none is judged as unfit" if fitness is None else fitness.explain()),
            ("Peak memory", f"{facts['peak_memory_mb']:.0f} MB"),
            ("Time", f"{facts['seconds']:.0f} s on {facts['threads']} threads, {facts['processor']}"),
            ("Run folder", out),
        ]
    )
    skipped = {**facts["skipped"], **facts.get(KNOWN_DEFECTS, {}).get("skipped", {})}
    for name, reason in list(skipped.items())[:_SHOWN]:
        say(f"  skipped {name}: {reason}")
    if len(skipped) > _SHOWN:
        say(f"  ... and {len(skipped) - _SHOWN} more, listed in {out / TRAINING}")
    wanted = facts.get("smallest_defect", {}).get("wanted")
    advice = advise_tiles(**facts["reduction"]) if "reduction" in facts and wanted is None else ""
    if advice:
        say_text(f"\n{advice}")


def size_origin(given: ImageSettings, settled: ImageFormat) -> str:
    """Say how the size of the working image was chosen."""
    if given.tile is not None:
        return "a tile at full resolution"
    if given.smallest_defect is not None:
        tile = "a tile at full resolution, " if settled.tile is not None else ""
        return f"{tile}chosen for a smallest defect of {given.smallest_defect}"
    if settled.tile is not None:
        return "a tile at full resolution, because the images are strips; --size resizes them instead"
    return "as given" if given.size else "derived from the images; --size changes it"


def _groups(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Say how many groups were found and from what; runs of older versions do not record it."""
    found = facts.get("groups")
    if not isinstance(found, dict):
        return []
    doubt = "" if found["sure"] else ". This is not sure: if you know better, say it with --groups"
    told = f"{found['training']} trained on, {found['calibration']} calibrated on; {found['basis']}{doubt}"
    return [("Groups", told)]


def _sources(facts: dict[str, Any]) -> str:
    cut = f" in {facts['n_tiles']} tiles" if "n_tiles" in facts else ""
    return f"{facts['n_training']} good images{cut}"


def _calibrated(facts: dict[str, Any], calibration: Calibration) -> str:
    folds, held_out = calibration.folds, len(calibration.scores) - calibration.cross_fitted
    if calibration.cross_fitted:
        return f"calibrated on the same images, cross-fitted, and on {held_out} held out"
    if not folds:
        return f"calibrated on {facts['n_calibration']} more"
    return f"calibrated on the same images, in {folds} folds that {folds} other models did not see"
