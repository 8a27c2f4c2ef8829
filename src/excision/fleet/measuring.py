"""Evaluates and exports one model of a fleet, as `excision evaluate` and `excision export` do."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from excision.capability.seen_images import without_seen
from excision.data import Dataset, load_dataset
from excision.errors import ModelError
from excision.evaluation.evaluation import Evaluation
from excision.fleet.identity import data_to_test, evaluation_identity
from excision.fleet.record import Done, Record
from excision.inspection.fingerprint import fingerprint
from excision.method.run_folder import load_calibration
from excision.predictions import Verdict
from excision.progress import Shown
from excision.report.promises import Measured
from excision.runtime.backend import BackendName, Precision
from excision.runtime.model_folder import Description, is_exported
from excision.system.files import sha256, write_json
from excision.system.strict_json import read_json

EVALUATION, SCORES = "evaluation", "fleet_scores.json"

_MOST = 256 * 2**20  # bytes: a line for each test image


@dataclass(frozen=True, slots=True)
class TestScore:
    """A test image as a model scored it.

    Attributes:
        name: of the image.
        content: SHA-256 of its file.
        label: "good" or the kind of defect.
        group: images of one group show the same part, strip or moment.
        score: anomaly score.
        verdict: of the model.
    """

    name: str
    content: str
    label: str
    group: str
    score: float
    verdict: Verdict


def record_of(folder: Path) -> Record:
    """Read the record of a model that has been trained.

    Raises:
        ModelError: there is none, or its training is not finished.
    """
    record = Record.load(folder)
    if record is None or record.step("train").state != "finished":
        raise ModelError(f"{folder}: its training is not finished: run `excision fleet train` again")
    return record


def evaluate_model(folder: Path, device: str, shown: Shown) -> None:
    """Measure a model on its test images, and record the figures; nothing is done where nothing has changed.

    Raises:
        ExcisionError: the model is not finished, or there are no test images.
    """
    from excision.detector import Detector
    from excision.report.capability_page import keep_capability
    from excision.report.writing import evaluate

    record = record_of(folder)
    dataset, seen = without_seen(data_to_test(record.model), folder)
    of = evaluation_identity(fingerprint(folder), dataset)
    before, out = record.step("evaluate"), folder / EVALUATION
    if before.state == "finished" and before.of == of and (out / SCORES).is_file():
        return
    detector = Detector.load(folder, device)
    keep_capability(folder, detector.threshold, out)
    evaluation = evaluate(detector, dataset, out, shown.part("evaluating"))
    scores = _scores(evaluation, dataset)
    write_json(out / SCORES, {"threshold": detector.threshold, "images": [asdict(each) for each in scores]})
    facts = {**evaluation.to_json(), "contradicts": _contradicts(folder, evaluation)}
    facts["notes"] = [*([seen] if seen else []), *evaluation.notes]
    record.with_step("evaluate", Done("finished", of, facts=facts)).save(folder)


def read_scores(folder: Path) -> tuple[float, list[TestScore]]:
    """Read the threshold of a model and its scores of the test images.

    Raises:
        ModelError: the file is missing or damaged.
    """
    path = folder / EVALUATION / SCORES
    content = read_json(path, _MOST)
    try:
        return _finite(content["threshold"]), [_test_score(each) for each in content["images"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: these are no scores of a model: {error!r}") from error


def _test_score(content: dict[str, Any]) -> TestScore:
    """Read a score of a test image, every entry of which has its type."""
    found = TestScore(**content)
    if not all(isinstance(each, str) for each in (found.name, found.content, found.label, found.group)):
        raise ValueError("a name is no text")
    if found.verdict not in get_args(Verdict):
        raise ValueError(f"{found.verdict!r} is no verdict")
    return replace(found, score=_finite(found.score))


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    return float(value)


def export_model(
    folder: Path,
    out: Path,
    *,
    to: BackendName,
    precision: Precision,
    allow_drift: float | None,
    shown: Shown,
) -> None:
    """Export a model and record it; nothing is done where the folder holds the export of this model.

    Raises:
        ExcisionError: the model is not finished, its data are gone, or the exported model drifts too far.
    """
    from excision.export.export import export

    record = record_of(folder)
    of = {"model": fingerprint(folder), "to": to, "precision": precision, "out": str(out.absolute())}
    before = record.step("export")
    if before.state == "finished" and before.of == of and is_exported(out):
        return
    model = record.model
    dataset = load_dataset(model.data, model.layout, leave_out=model.leave_out)
    proof = export(
        folder, dataset, out, to=to, precision=precision, allow_drift=allow_drift, stage=shown.stage
    )
    calibration = Description.load(out).calibration
    facts = {
        "folder": str(out.absolute()),
        "score_drift": proof.score_drift,
        "verdicts_changed": proof.verdicts_changed,
        "threshold": calibration.threshold,
        "promise": calibration.explain(),
    }
    record.with_step("export", Done("finished", of, facts=facts)).save(folder)


def _scores(evaluation: Evaluation, dataset: Dataset) -> list[TestScore]:
    files = {sample.name: sample.image for sample in dataset.test}
    return [
        TestScore(
            each.name, sha256(files[each.name]), each.label, each.group or each.name, each.score, each.verdict
        )
        for each in evaluation.images
    ]


def _contradicts(folder: Path, evaluation: Evaluation) -> bool:
    """Tell whether even the lower end of the interval of the false-alarm rate lies above the promise."""
    images = evaluation.n_normal - evaluation.n_unfit_normal
    if evaluation.false_alarm_rate is None or not images:
        return False
    groups: dict[str, Any] = evaluation.to_json()["normal_groups"]
    alarms = round(evaluation.false_alarm_rate * images)
    (low, _), _, _ = Measured(alarms, images, "good image", groups).interval()
    return low > load_calibration(folder).promised_rate
