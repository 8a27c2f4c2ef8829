"""Predicted against observed: what real defects with masks say about curves from drawn ones.

Length and contrast are measured on real and on drawn defects in the same way. A logit model in both, fitted
to the drawings, predicts each real defect; the observed rate stands beside the mean prediction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.capability.analysis import CONFIDENCE, make_bin
from excision.capability.drawing import measured_contrast
from excision.capability.good_parts import Model
from excision.capability.kinds import Kind, kind_of
from excision.capability.limits import lower_limit, upper_limit
from excision.capability.pictures import as_given
from excision.capability.real_result import RealBin, RealComparison
from excision.capability.records import Record
from excision.data import Dataset
from excision.data.images import any_full_image
from excision.data.masks import examine_mask
from excision.data.records import Sample
from excision.errors import DatasetError, ImageError
from excision.ops.connected_components import find_runs
from excision.progress import Progress

Floats = NDArray[np.float64]

ANY = "any"
_MARGIN = 12
_PER_BIN = 3
_LEAST = 10
_RIDGE = 0.01


@dataclass(frozen=True, slots=True)
class RealDefect:
    """A real defect with its measures.

    Attributes:
        name: of the sample.
        label: kind of defect in the data set.
        length: longest extent of its largest region in pixels of the image as given.
        contrast: measured contrast of that region.
        hit: whether the image is called defective.
    """

    name: str
    label: str
    length: float
    contrast: float
    hit: bool


def measure_real(model: Model, dataset: Dataset, progress: Progress, notes: list[str]) -> list[RealDefect]:
    """Inspect the defective images of a data set that have a mask, and measure the largest region of each.

    Args:
        model: what inspects.
        dataset: labelled data set.
        progress: called with (done, total).
        notes: receives a sentence on images that cannot be used.

    Raises:
        DatasetError: there is no defect with a mask.
    """
    samples = [sample for sample in dataset.samples if sample.defective and sample.mask is not None]
    if not samples:
        raise DatasetError(f"{dataset.root}: no defective image has a mask, so nothing real can be compared")
    found: list[RealDefect] = []
    unusable = 0
    for done, sample in enumerate(samples, start=1):
        try:
            defect = _measure(model, sample)
        except ImageError:
            defect = None
        if defect is None:
            unusable += 1
        else:
            found.append(defect)
        progress(done, len(samples))
    if unusable:
        notes.append(
            f"{unusable} real defects could not be measured: the image cannot be read, or its mask cannot or "
            "is empty."
        )
    if not found:
        raise DatasetError(f"{dataset.root}: no real defect could be measured")
    return found


def _measure(model: Model, sample: Sample) -> RealDefect | None:
    image = any_full_image(sample.image, model.image_format.channels)
    assert sample.mask is not None
    marked = examine_mask(sample.mask, (image.shape[0], image.shape[1])).marked
    runs = find_runs(marked)
    if not runs.total:
        return None
    largest = np.zeros_like(marked)
    largest[marked] = runs.numbers() == int(runs.areas().argmax())
    rows, columns = np.nonzero(largest)
    place = (
        slice(max(0, int(rows.min()) - _MARGIN), int(rows.max()) + _MARGIN + 1),
        slice(max(0, int(columns.min()) - _MARGIN), int(columns.max()) + _MARGIN + 1),
    )
    found = model.inspect(as_given(image))
    return RealDefect(
        sample.name,
        sample.label,
        longest_extent(rows, columns),
        measured_contrast(image[place], largest[place]),
        found.verdict == "defect",
    )


def longest_extent(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> float:
    """Give the longest side of the boxes around pixels, over 24 directions, in pixels."""
    longest = 0.0
    for angle in np.arange(24) * math.pi / 24:
        along = rows * math.sin(angle) + columns * math.cos(angle)
        longest = max(longest, float(along.max() - along.min()) + 1)
    return longest


def compare(
    name: str, defects: Sequence[RealDefect], records: Sequence[Record], kinds: Mapping[str, Kind]
) -> RealComparison:
    """Compare observed with predicted detection, by label and length.

    Args:
        name: of the data set.
        defects: real ones, at least one.
        records: drawings.
        kinds: kind of each label whose name does not say it.
    """
    # Those of requirements have widths of their own.
    records = [one for one in records if not one.requirement] or list(records)
    by_label: dict[str, list[RealDefect]] = {}
    for defect in defects:
        by_label.setdefault(defect.label, []).append(defect)
    bins: list[RealBin] = []
    sums: list[_Sum] = []
    outside = 0
    for label, members in sorted(by_label.items()):
        kind = kinds.get(label) or kind_of(label)
        drawn = [one for one in records if kind is None or one.kind == kind]
        predict, covers = _predictor(drawn if len(drawn) >= _LEAST else records)
        expected = math.fsum(predict(one) for one in members)
        sums.append(_Sum(label, len(members), sum(one.hit for one in members), expected))
        for group in _split(members):
            predicted = [predict(one) for one in group]
            outside += sum(not covers(one) for one in group)
            lengths = [one.length for one in group]
            counted = make_bin(min(lengths), max(lengths), len(group), sum(one.hit for one in group))
            contrast = float(np.median([one.contrast for one in group]))
            bins.append(
                RealBin(
                    kind or ANY, label, counted, float(f"{np.mean(predicted):.4g}"), float(f"{contrast:.4g}")
                )
            )
    whole = _Sum("all", len(defects), sum(one.hits for one in sums), math.fsum(one.expected for one in sums))
    lower, upper = whole.limits
    return RealComparison(
        name,
        whole.number,
        whole.hits,
        float(f"{whole.expected / whole.number:.4g}"),
        lower,
        upper,
        outside,
        tuple(bins),
        _trust(whole, sums, outside),
    )


def _split(members: Sequence[RealDefect]) -> list[list[RealDefect]]:
    """Divide the defects of a label by length into up to three groups of about equal size."""
    ordered = sorted(members, key=lambda one: (one.length, one.name))
    count = min(_PER_BIN, max(1, len(ordered) // _LEAST))
    return [[ordered[place] for place in part] for part in np.array_split(np.arange(len(ordered)), count)]


def _predictor(
    records: Sequence[Record],
) -> tuple[Callable[[RealDefect], float], Callable[[RealDefect], bool]]:
    """Fit a logit model in length and measured contrast; give its prediction and what it was fitted to."""
    used = [one for one in records if one.measured > 0]
    x = np.array([(math.log(one.size), math.log(one.measured)) for one in used])
    hit = np.array([float(one.hit) for one in used])
    middle, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    design = np.column_stack([np.ones(len(x)), (x - middle) / spread])
    beta = _fit(design, hit)
    low, high = x.min(axis=0), x.max(axis=0)

    def measures(one: RealDefect) -> Floats:
        return np.array([math.log(one.length), math.log(max(one.contrast, 1e-6))])

    def predict(one: RealDefect) -> float:
        # Nothing is said beyond what was drawn: the nearest drawn measures stand for it.
        z = (np.clip(measures(one), low, high) - middle) / spread
        return float(1 / (1 + math.exp(-float(np.clip(beta[0] + z @ beta[1:], -60, 60)))))

    def inside(one: RealDefect) -> bool:
        at = measures(one)
        return bool((at >= low).all() and (at <= high).all())

    return predict, inside


def _fit(design: Floats, hit: Floats) -> Floats:
    """Fit a logit model (K,) to (N, K) by Newton's method, with a slight pull towards zero."""
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -40, 40)))
        gradient = design.T @ (hit - p) - _RIDGE * beta
        hessian = (design * (p * (1 - p))[:, None]).T @ design + _RIDGE * np.eye(len(beta))
        step = np.clip(np.linalg.solve(hessian, gradient), -2, 2)
        beta += step
        if float(np.abs(step).max()) < 1e-8:
            break
    return beta


@dataclass(frozen=True, slots=True)
class _Sum:
    """Real defects of one label, or of all."""

    label: str
    number: int
    hits: int
    expected: float

    @property
    def limits(self) -> tuple[float, float]:
        return (
            lower_limit(self.hits, self.number, CONFIDENCE),
            upper_limit(self.hits, self.number, CONFIDENCE),
        )

    @property
    def words(self) -> str:
        found, predicted = 100 * self.hits / self.number, 100 * self.expected / self.number
        return f"{self.label} ({found:.0f} % found, {predicted:.0f} % predicted)"


def _trust(whole: _Sum, labels: Sequence[_Sum], outside: int) -> str:
    """Say how far the curves are to be trusted, label by label."""
    low, high = whole.limits
    said = (
        f"Of {whole.number:,} real defects {whole.hits:,} are found, {100 * whole.hits / whole.number:.1f} % "
        f"(90 % interval {100 * low:.1f} to {100 * high:.1f} %); drawings of the same length and contrast "
        f"predict {100 * whole.expected / whole.number:.1f} %."
    )
    above = [one for one in labels if one.expected / one.number > one.limits[1]]
    below = [one for one in labels if one.expected / one.number < one.limits[0]]
    within = [one for one in labels if one not in above and one not in below]
    for what, members in (
        ("The curves are too optimistic, and a90 is a lower bound at best, for", above),
        ("They are cautious for" if above else "The curves are cautious for", below),
        (
            "Real defects do not contradict them for" if above or below else "Nothing contradicts them for",
            within,
        ),
    ):
        if members:
            said += f" {what} {', '.join(one.words for one in members)}."
    if outside:
        said += (
            f" {outside:,} of the real defects lie outside the lengths and contrasts that were drawn, where "
            "the nearest drawn ones stand for them."
        )
    return said
