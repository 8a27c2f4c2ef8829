"""Collecting the images of an improvement: original ones, labelled parts, and known defects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from statistics import median

from excision.data import Sample
from excision.data.groups import GroupRule, group_samples
from excision.data.groups.collecting import Collector
from excision.data.records import GOOD
from excision.errors import DatasetError, ImageError, ModelError, SettingsError
from excision.inspection.fingerprint import fingerprint
from excision.method.run_folder import load_calibration
from excision.method.run_start import recorded_groups, recorded_images, recorded_warm_start
from excision.progress import Shown
from excision.station.improve.collection import Collection, assemble
from excision.station.improve.doubts import find_doubts
from excision.station.improve.job import Job
from excision.station.improve.labelled import Labelled, LabelledPart, read_labelled
from excision.station.improve.originals import Originals, find_originals
from excision.station.store.connection import RESULTS
from excision.station.store.store import Store
from excision.station.work.kept_images import IMAGES, Images

_MOST_MISSING = 0.2
"""Share of the original images that may be missing; normal statistics are learnt anew from what is there."""

_SAME = 0.1
"""How far recorded and computed scores may differ, as a share of the threshold, for one model."""


def collect(job: Job, shown: Shown) -> Collection:
    """Collect the images, and leave out what is in doubt.

    Raises:
        DatasetError: no part is labelled, or too many original images are missing.
        ModelError: the run folder is not that of the model that inspected.
        SettingsError: there is no such station.
    """
    assert job.run is not None  # of an improvement
    if recorded_images(job.run) is None:
        raise ModelError(f"{job.run}: does not record the images it was trained on; train it again")
    earlier = Collection.load(job.run.parent)
    likely = [] if earlier is None else [member.path for member in earlier.members]
    folders = [*job.originals, job.station / IMAGES]
    originals = find_originals(job.run, folders, likely, shown.part("finding the original images"))
    notes = _missing(originals, allowed=job.allow_missing)
    labelled = read_station(job)
    if not labelled.parts:
        raise DatasetError(
            f"{job.station}: no labelled part of {job.model} can be used. "
            + " ".join(labelled.left_out or ["Label parts on the page Review first."])
        )
    scores, threshold = _scores(job, labelled.parts, shown)
    usual = load_calibration(job.run).scores
    known = {digest: name for name, digest in originals.hashes.items() if name in originals.good}
    doubts = find_doubts(labelled.parts, scores, usual, threshold, known)
    doubtful = {doubt.result for doubt in doubts}
    parts = [part for part in labelled.parts if part.result not in doubtful]
    warm = recorded_warm_start(job.run)
    members = assemble(
        originals,
        recorded_groups(job.run) or {},
        parts,
        _groups(parts, shown),
        () if warm is None else warm.seen,
        earlier,
    )
    notes += labelled.left_out
    if doubts:
        wait, count = ("label waits", "counts") if len(doubts) == 1 else ("labels wait", "count")
        notes.append(f"{len(doubts)} {wait} for a second person, and {count} for nothing until then.")
    return Collection(members, doubts, originals.missing, tuple(notes))


def read_station(job: Job) -> Labelled:
    """Read the labelled parts of a station, which may be running.

    Raises:
        SettingsError: there is no station in the folder.
    """
    if not (job.station / RESULTS).is_file():
        raise SettingsError(f"{job.station}: holds no {RESULTS}: give the --data folder of `excision serve`")
    with closing(Store(job.station / RESULTS)) as store:
        return read_labelled(store, Images(job.station), job.model)


def _missing(originals: Originals, *, allowed: bool) -> list[str]:
    count, there = len(originals.missing), len(originals.good) + len(originals.defects)
    if not count:
        return []
    shown = ", ".join(originals.missing[:5]) + (" and others" if count > 5 else "")
    said = f"{count} of {count + there} images that the model was trained on were not found: {shown}"
    if count > _MOST_MISSING * (count + there) and not allowed:
        raise DatasetError(
            f"{said}. Give the folder of the original images (--data), since what is normal is learnt anew "
            "from all images; or go on without them (--allow-missing)"
        )
    return [f"{said}."]


def _scores(job: Job, parts: Sequence[LabelledPart], shown: Shown) -> tuple[dict[int, float], float]:
    """Give the score of each part by the model in use, and its threshold; recorded scores stand."""
    from excision.detector import Detector

    assert job.run is not None  # of an improvement
    deployed = job.deployed or job.run
    weights = fingerprint(deployed)
    scores = {
        part.result: part.score
        for part in parts
        if part.score is not None and part.version.partition(".")[0] == weights
    }
    detector = Detector.load(job.run, device="cpu")
    threshold = job.threshold or detector.threshold
    others = [part for part in parts if part.result not in scores]
    recorded = [part for part in parts if part.result in scores][:5]
    differ = []
    for done, part in enumerate([*others, *recorded], start=1):
        try:
            score = detector.inspect(part.image).score
        except ImageError as error:
            raise DatasetError(f"result {part.result}: its kept image cannot be read: {error}") from error
        if part.result in scores:
            differ.append(abs(score - scores[part.result]))
        scores.setdefault(part.result, score)
        shown.stage("inspecting labelled parts", done, len(others) + len(recorded))
    if differ and median(differ) > _SAME * threshold:
        raise ModelError(
            f"{job.run}: is not the run that {deployed} was exported from: their scores of the same parts "
            f"differ by {median(differ) / threshold:.0%} of the threshold"
        )
    return scores, threshold


def _groups(parts: Sequence[LabelledPart], shown: Shown) -> Mapping[str, str]:
    """Find which parts belong together: by their serial numbers, and by their content and time."""
    samples = [
        Sample(
            part.name, part.image, "train", GOOD, None, f"serial {part.serial}" if part.serial else part.name
        )
        for part in parts
    ]
    rule = GroupRule.parse("auto")
    collector = Collector(samples, rule)
    collector.read(shown.part("looking for images that belong together"))
    _, grouping = group_samples(samples, rule, collector.looks)
    return grouping.of
