"""Reading a folder of results for a report: a summary of the whole, and the images one by one."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from excision.errors import ResultsError
from excision.evaluation.examples import outcome
from excision.inspection.log import JSONL, iterate_log
from excision.method.calibration.rarity import Basis
from excision.predictions import Predictor, Verdict
from excision.report.provenance import Provenance
from excision.system.csv_rows import restored
from excision.system.files import write_json
from excision.visualization.overlays import readable

EVALUATION = "evaluation.json"
SCORES = "scores.csv"
ABOUT = "about.json"
SCORES_HEAD = ("image", "label", "score", "verdict", "overlay", "p_value", "unfit")

_VERDICTS: dict[str, Verdict] = {verdict: verdict for verdict in get_args(Verdict)}

Kind = Literal["evaluation", "inspection"]


@dataclass(frozen=True, slots=True)
class Promise:
    """The promise of a calibrated threshold.

    Attributes:
        wanted_rate: requested false-alarm rate; None if a person set the threshold.
        promised_rate: promised false-alarm rate.
        held_out: number of good images that the threshold was chosen from.
        groups: number of groups of them.
        confidence: of the promise; None for one that holds on average.
        average_rate: rate that is kept on average.
        said: what is promised, from how many images, and what it assumes.
    """

    wanted_rate: float | None
    promised_rate: float
    held_out: int
    # Results of earlier versions lack these.
    groups: int | None = None
    confidence: float | None = None
    average_rate: float | None = None
    said: str | None = None

    @property
    def basis(self) -> Basis:
        """What p-values come from."""
        return Basis(self.held_out, self.held_out if self.groups is None else self.groups)


@dataclass(frozen=True, slots=True)
class About:
    """Facts in a report beside figures and images; None if unknown.

    Attributes:
        kind: which verb made the results.
        subject: name of the data set.
        layout: layout of the data set.
        date: day on which the results were made, YYYY-MM-DD.
        threshold: decision threshold; None if it is not finite.
        review_threshold: lower end of the grey zone.
        promise: promise of the threshold.
        searched: number of good training images that were searched for suspects, if the images are suspects.
        provenance: model, images, machine and settings.
    """

    kind: Kind
    subject: str | None = None
    layout: str | None = None
    date: str | None = None
    threshold: float | None = None
    review_threshold: float | None = None
    promise: Promise | None = None
    # Results of earlier versions lack these.
    searched: int | None = None
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One image of the results.

    Attributes:
        name: name of the image.
        label: "good", the kind of defect, or None if unknown.
        score: anomaly score; None if the image could not be inspected.
        verdict: "good", "review", "defect", "unfit", or None if there is none.
        overlay: its picture, relative to the folder of results, or None.
        error: why the image could not be inspected.
        regions: number of regions above the threshold, if known.
        area: share of the pixels above the threshold, if known.
        p_value: conformal p-value of the score, if known.
        unfit: why the image is not fit to be inspected; empty if it is.
    """

    name: str
    label: str | None
    score: float | None
    verdict: Verdict | None
    overlay: str | None
    error: str | None = None
    regions: int | None = None
    area: float | None = None
    p_value: float | None = None
    unfit: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """The outcome of the image, in words."""
        return "not inspected" if self.verdict is None else outcome(self.label, self.verdict)


@dataclass(frozen=True, slots=True)
class Summary:
    """Result of one pass over the rows: nine bytes per image, and counts.

    Attributes:
        scores: finite scores by name: in an evaluation by the label, "good" or "defective", of images that
            were fit, and "unfit good" and "unfit defective"; by verdict in an inspection.
        counts: number of images by (label, verdict); the verdict is None if there is none.
        first_errors: names and reasons of the first images that could not be inspected.
    """

    scores: dict[str, NDArray[np.float64]]
    counts: Counter[tuple[str | None, Verdict | None]]
    first_errors: tuple[tuple[str, str], ...]

    def all_scores(self, label: Literal["good", "defective"]) -> NDArray[np.float64]:
        """Give the scores of an evaluation with that label, of fit and unfit images."""
        return np.concatenate([self.scores[label], self.scores[f"unfit {label}"]])


@dataclass(frozen=True, slots=True)
class ResultsFolder:
    """A folder of results.

    Attributes:
        folder: path of the folder.
        about: facts about the results as a whole.
        figures: content of `evaluation.json`; empty for an inspection.
        rows: gives the images in the order of inspection, from the start at each call.
    """

    folder: Path
    about: About
    figures: dict[str, Any]
    rows: Callable[[], Iterator[Row]]

    def summarise(self, errors: int = 20) -> Summary:
        """Summarise the rows in one pass, keeping only the score of each."""
        evaluation = self.about.kind == "evaluation"
        labels = ("good", "defective", "unfit good", "unfit defective")
        names = labels if evaluation else get_args(Verdict)
        scores = {name: array("d") for name in names}
        counts: Counter[tuple[str | None, Verdict | None]] = Counter()
        failed: list[tuple[str, str]] = []
        for row in self.rows():
            counts[row.label if evaluation else None, row.verdict] += 1
            if row.error is not None and len(failed) < errors:
                failed.append((row.name, row.error))
            if row.score is not None and row.verdict is not None and math.isfinite(row.score):
                scores[_name(row) if evaluation else row.verdict].append(row.score)
        arrays = {name: np.frombuffer(values, np.float64) for name, values in scores.items()}
        return Summary(arrays, counts, tuple(failed))


def _name(row: Row) -> str:
    label = "good" if row.label == "good" else "defective"
    return f"unfit {label}" if row.verdict == "unfit" else label


def write_about(folder: Path, about: About) -> None:
    """Write `about.json` beside the results."""
    write_json(folder / ABOUT, dataclasses.asdict(about))


def promise_of(predictor: Predictor) -> Promise | None:
    """Give the promise of the threshold of a detector or exported model; None if there is none."""
    found = predictor.calibration
    if found is None:
        return None
    return Promise(
        found.wanted_rate,
        found.promised_rate,
        len(found.scores),
        found.count_groups,
        found.confidence,
        found.average_rate,
        found.explain(),
    )


def open_results(folder: Path) -> ResultsFolder:
    """Open a folder that `excision evaluate` or `excision inspect` wrote, in this version or an earlier one.

    Raises:
        ResultsError: it is not such a folder, or a file in it is damaged.
    """
    about = _about(folder)
    if about.kind == "evaluation":
        figures = _json(folder / EVALUATION)
        if about.threshold is None and isinstance(figures.get("threshold"), float):
            about = dataclasses.replace(about, threshold=figures["threshold"])
        if about.subject is None:
            about = dataclasses.replace(about, subject=str(figures.get("dataset", folder.name)))
        return ResultsFolder(folder, about, figures, partial(_evaluated, folder, figures))
    first = next(iterate_log(folder), None)
    if first is None:
        raise ResultsError(f"{folder / JSONL}: contains no results; inspect again with --resume")
    if about.threshold is None and math.isfinite(first.threshold):
        about = dataclasses.replace(about, threshold=first.threshold)
    return ResultsFolder(folder, about, {}, partial(_inspected, folder))


def _about(folder: Path) -> About:
    files: dict[Kind, Path] = {"evaluation": folder / EVALUATION, "inspection": folder / JSONL}
    there = [kind for kind, path in files.items() if path.is_file()]
    if not there:
        raise ResultsError(
            f"{folder}: contains no results; give a folder of `excision evaluate` or `excision inspect`"
        )
    if (folder / ABOUT).is_file():
        content = _json(folder / ABOUT)
        try:
            promise, source = content.pop("promise", None), content.pop("provenance", None)
            about = About(
                **content,
                promise=Promise(**promise) if promise else None,
                provenance=None if source is None else Provenance.of_json(source),
            )
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise ResultsError(
                f"{folder / ABOUT}: is damaged ({error}); inspect or evaluate again"
            ) from error
        if about.kind in there:
            return about
    return About(there[0])


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise ResultsError(f"{path}: contains no figures; evaluate again")
    return content


def _evaluated(folder: Path, figures: dict[str, Any]) -> Iterator[Row]:
    path = folder / SCORES
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for line in csv.DictReader(stream):
                overlay = restored(line.get("overlay") or "") or None
                verdict = _VERDICTS[line["verdict"]]
                yield Row(
                    restored(line["image"]),
                    restored(line["label"]),
                    float(line["score"]),
                    verdict,
                    overlay,
                    p_value=float(line["p_value"]) if line.get("p_value") else None,
                    unfit=tuple(filter(None, restored(line.get("unfit") or "").split("; "))),
                )
    except FileNotFoundError as error:
        raise ResultsError(f"{path}: is missing; evaluate again") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ResultsError(f"{path}: is damaged ({error!r}); evaluate again") from error
    for skipped in figures.get("skipped", ()):
        yield Row(readable(skipped["image"]), None, None, None, None, readable(skipped["reason"]))


def _inspected(folder: Path) -> Iterator[Row]:
    for line in iterate_log(folder):
        yield Row(
            readable(line.image),
            None,
            line.score,
            line.verdict,
            line.overlay and readable(line.overlay),
            line.error and readable(line.error),
            len(line.boxes) if line.verdict else None,
            line.defect_area_share,
            line.p_value,
            tuple(map(readable, line.unfit)),
        )
