"""Drift over the images of one inspection, in the order of time, or else in that of inspection."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from excision.inspection.drift.monitor import DriftMonitor
from excision.inspection.drift.order import Order, order_of
from excision.inspection.drift.reference import reference_of
from excision.inspection.drift.settings import DriftSettings
from excision.inspection.drift.summary import promise_in_words, standing_in_words, summary
from excision.inspection.drift.wording import SCORE
from excision.inspection.log import JSONL, InspectionRecord, iterate_log, iterate_places, record_of
from excision.predictions import Predictor
from excision.system.files import write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRIFT = "drift.json"

UNORDERED = (
    "; neither names nor EXIF tell when the images were taken: if they are sorted by position, part or kind, "
    "this shows the sorting, and no drift"
)
"""What is said with a warning where the order of inspection need not be that of time."""

LEARNING = 1000
"""Images that a statistic without reference is learnt from at most; of few images it is a quarter."""

# Blocks that an inspection is divided into, where its images are few.
_BLOCKS = 40
_SHORTEST, _LONGEST = 5, 20


def write_drift(predictor: Predictor, out: Path) -> tuple[DriftMonitor, str]:
    """Look for drift in the results of an inspection, and write `drift.json` beside them.

    Args:
        predictor: that made the results.
        out: folder with `results.jsonl`.

    Returns:
        The monitor, and in words how it stands and in which order.
    """
    known = [line.image for line in iterate_log(out) if line.score is not None]
    images, order = len(known), order_of(known, lambda: _measured(out))
    del known
    review = predictor.review_threshold
    reference = reference_of(predictor, predictor.threshold if review is None else review)
    settings = DriftSettings(
        block=min(max(images // _BLOCKS, _SHORTEST), _LONGEST), learning=min(images // 4, LEARNING)
    )
    monitor = DriftMonitor(settings, reference)
    follow(monitor, _in_order(out, order), order.groups)
    standing = f"in the order of {order.basis}, {standing_in_words(monitor)}"
    if monitor.warning is not None and not order.is_time:
        standing += UNORDERED
    words = {"standing": standing, "promise": promise_in_words(monitor)}
    write_json(out / DRIFT, {**words, **summary(monitor)})
    return monitor, standing


def follow(monitor: DriftMonitor, lines: Iterable[InspectionRecord], groups: Sequence[int] = ()) -> None:
    """Count images in the order of their records; those without a score are left out.

    Args:
        monitor: that counts.
        lines: records.
        groups: number of the group of each image with a score, which no block cuts; empty where unknown.
    """
    counted = 0
    for line in lines:
        if line.score is None:
            continue
        group = str(groups[counted]) if groups else None
        counted += 1
        flagged = line.verdict != "good"
        monitor.update(line.score, line.image_statistics, flagged=flagged, label=line.image, group=group)
    monitor.finish()


def _in_order(out: Path, order: Order) -> Iterator[InspectionRecord]:
    """Read the records with a score in an order, one at a time."""
    if isinstance(order.places, range):
        yield from iterate_log(out)
        return
    starts = array("q", (start for start, line in iterate_places(out) if line.score is not None))
    with (out / JSONL).open("rb") as stream:
        for place in order.places:
            stream.seek(starts[place])
            if (line := record_of(stream.readline())) is not None:
                yield line


def _measured(out: Path) -> NDArray[np.float64]:
    """Read (N, D) score and image statistics of each image with a score; what is missing or infinite is 0."""
    import numpy as np

    rows = [
        {SCORE: line.score, **(line.image_statistics or {})}
        for line in iterate_log(out)
        if line.score is not None
    ]
    names = sorted({name for row in rows for name in row})
    values = np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=np.float64)
    return np.nan_to_num(values, posinf=0.0, neginf=0.0)
