"""What a data set contains and what training would use, found by decoding every file once."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from excision.data.dataset_report import DatasetReport, SizeSummary, TrainingPlan
from excision.data.decode import decoded, probe_image
from excision.data.groups import Collector, GroupRule, GroupSummary, group_samples
from excision.data.mask_check import MaskFindings
from excision.data.preparation import Finding, check_left_out, check_readable, finding
from excision.data.records import Dataset, Sample
from excision.data.sizes import Reduction, Size
from excision.data.splits import hold_out
from excision.data.working_size import DefectWish, SmallestDefect, choose_working_size
from excision.errors import DatasetError, ImageError
from excision.progress import Progress

_ODD_SHAPE = 1.5
"""An aspect ratio that differs from the median by more than this factor is reported."""

_FEW = 0.05
"""If more than this share of all images have an odd shape, one note replaces the findings on each."""


@dataclass(frozen=True, slots=True)
class _Content:
    """What the pixels of an image tell, without the pixels.

    Attributes:
        low: smallest value.
        high: largest value.
        grey: no pixel has a colour.
        digest: hash of the pixels, to find copies in other formats and under other names.
    """

    low: float
    high: float
    grey: bool
    digest: bytes

    @classmethod
    def of(cls, sample: Sample, collector: Collector) -> _Content:
        """Decode the image of a sample, and note what it looks like.

        Raises:
            ImageError: it cannot be read.
        """
        low, high, grey, digest = float("inf"), float("-inf"), True, hashlib.sha256()
        with decoded(sample.image) as image:
            sketch = collector.sketch(sample.image, image.upright)
            for rows, band in image.bands():
                if sketch is not None:
                    sketch.add(rows, band)
                if rows.start == 0:
                    digest.update(repr((*image.upright, band.shape[2])).encode())
                digest.update(band.data)
                low, high = min(low, float(band.min())), max(high, float(band.max()))
                grey = grey and bool((band == band[..., :1]).all())
            collector.keep(sample.image, sketch)
        return cls(low, high, grey, digest.digest())


def inspect_dataset(
    dataset: Dataset,
    progress: Progress | None = None,
    rule: GroupRule | None = None,
    wish: DefectWish | None = None,
) -> DatasetReport:
    """Decode every image and mask once and report on them; memory does not grow with their number.

    Args:
        dataset: from `load_dataset`.
        progress: called after each image.
        rule: how a person says that the groups of the training images are to be formed; None finds them.
        wish: the smallest defect that must be seen; None states none.

    Raises:
        DatasetError: the rule does not fit the images.

    Returns:
        The report; damaged files are findings in it, not errors.
    """
    findings = _Findings(Collector(dataset.train, rule))
    for done, sample in enumerate(dataset.samples, start=1):
        findings.add(sample)
        if progress is not None:
            progress(done, len(dataset.samples))
    usable = [s for s in dataset.train if s.name in findings.sizes]
    grouped, grouping = group_samples(usable, rule, findings.collector.looks, dataset.columns)
    training, obstacle = _plan(dataset, grouped, findings, wish or DefectWish())
    return DatasetReport(
        layout=dataset.layout,
        notes=(*dataset.notes, *findings.advice()),
        counts=dict(sorted(Counter((s.split, s.label) for s in dataset.samples).items())),
        groups=GroupSummary.of(grouping),
        sizes=_summary(list(findings.sizes.values())),
        modes=dict(findings.modes.most_common()),
        unreadable=tuple(findings.unreadable),
        odd=(*findings.odd, *(_odd_shapes(findings.sizes) if not findings.shapes_vary() else ())),
        masks=findings.masks.findings(),
        mask_shares=findings.masks.shares(),
        unused_masks=findings.masks.unused(dataset.unused_masks),
        left_out=dataset.left_out,
        missing=dataset.missing,
        duplicates=findings.duplicates_across_splits(),
        training=training,
        obstacle=obstacle,
    )


class _Findings:
    """The findings so far: a few numbers per image, never its pixels."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.sizes: dict[str, Size] = {}
        self.colour: set[str] = set()
        self.modes: Counter[str] = Counter()
        self.unreadable: list[Finding] = []
        self.odd: list[Finding] = []
        self.masks = MaskFindings()
        self._hashes: dict[bytes, list[Sample]] = defaultdict(list)
        self._coloured_grey = 0

    def add(self, sample: Sample) -> None:
        """Decode the image and mask of a sample and note what is worth reporting."""
        try:
            info = probe_image(sample.image)
            content = _Content.of(sample, self.collector)
        except ImageError as error:
            self.unreadable.append(finding(sample, error))
            return
        self.sizes[sample.name] = info.size
        self.modes[info.description] += 1
        if info.colour:
            self.colour.add(sample.name)
            self._coloured_grey += content.grey
        if content.low == content.high:
            self.odd.append(Finding(sample.name, f"every pixel has the same value, {content.high:.3g}"))
        self._hashes[content.digest].append(sample)
        if sample.defective:
            self.masks.add(sample, info.size)

    def duplicates_across_splits(self) -> tuple[tuple[str, ...], ...]:
        """Give the names of images with equal pixels that occur in both splits."""
        repeated = (same for same in self._hashes.values() if len({s.split for s in same}) > 1)
        return tuple(sorted(tuple(s.name for s in same) for same in repeated))

    def _repeated_in_training(self) -> Iterator[list[str]]:
        """Give the names of the good training images with equal pixels."""
        for same in self._hashes.values():
            yield sorted(s.name for s in same if s.split == "train" and not s.defective)

    def shapes_vary(self) -> bool:
        """Tell whether so many images differ in shape that listing each would hide the rest."""
        return len(_odd_shapes(self.sizes)) > _FEW * len(self.sizes)

    def advice(self) -> list[str]:
        """Suggest what a user might want to change."""
        lines = self.masks.advice()
        if self.shapes_vary():
            lines.append(
                "Images have many shapes; resizing distorts those that differ from the median shape."
            )
        again = [names for names in self._repeated_in_training() if len(names) > 1]
        if again:
            count, example = sum(len(names) - 1 for names in again), " = ".join(again[0][:2])
            lines.append(
                f"{count} training images have the same pixels as another, such as {example}. "
                "One of them may be held out for calibration, which then promises too much: keep one of each."
            )
        if self.colour and self._coloured_grey == len(self.colour):
            lines.append("Every colour file contains a grey image: one channel is enough, and faster.")
        return lines


def _summary(sizes: list[Size]) -> SizeSummary | None:
    if not sizes:
        return None
    heights, widths = [h for h, _ in sizes], [w for _, w in sizes]
    most_common, count = Counter(sizes).most_common(1)[0]
    return SizeSummary(
        smallest=(min(heights), min(widths)),
        median=(round(median(heights)), round(median(widths))),
        largest=(max(heights), max(widths)),
        most_common=most_common,
        most_common_count=count,
    )


def _odd_shapes(sizes: dict[str, Size]) -> list[Finding]:
    """Find images that resizing to the common shape would distort strongly."""
    if not sizes:
        return []
    typical = median(h / w for h, w in sizes.values())
    return [
        Finding(name, f"{w} x {h} pixels: its shape differs from most, so resizing distorts it")
        for name, (h, w) in sizes.items()
        if not 1 / _ODD_SHAPE <= h / w / typical <= _ODD_SHAPE
    ]


def _plan(
    dataset: Dataset, usable: Sequence[Sample], findings: _Findings, wish: DefectWish
) -> tuple[TrainingPlan | None, str]:
    try:
        check_left_out(dataset)
        check_readable(len(usable), len(dataset.train) - len(usable), dataset)
        train, calibration = hold_out(usable)
    except DatasetError as error:
        return None, str(error)
    sizes = [findings.sizes[s.name] for s in usable]
    chosen = choose_working_size(sizes, wish)
    channels = 3 if any(s.name in findings.colour for s in usable) else 1
    plan = TrainingPlan(
        len(train),
        len(calibration),
        _sizes(calibration),
        _sizes(train),
        chosen.size,
        channels,
        chosen.tiles,
        None if chosen.tiles else Reduction.to(chosen.size, sizes),
        SmallestDefect.at(chosen, sizes, wish),
    )
    return plan, ""


def _sizes(samples: Sequence[Sample]) -> tuple[int, ...]:
    return tuple(sorted(Counter(s.group for s in samples).values()))
