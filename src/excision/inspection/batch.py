"""Inspects files one after another, and writes each result immediately."""

from __future__ import annotations

import heapq
import math
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from excision.data.decode import probe_image
from excision.data.layouts.mask_names import is_surely_mask, names_masks
from excision.data.listing import list_images, passed_over
from excision.errors import DatasetError, ExcisionError, ImageError, SettingsError
from excision.inspection.drift.warning import DriftWarning
from excision.inspection.findings import findings
from excision.inspection.log import JSONL, InspectionLog, InspectionRecord, read_log
from excision.inspection.outcome import FAILURES, exit_status
from excision.predictions import Prediction, Predictor, Verdict
from excision.progress import Progress
from excision.system.names import printable
from excision.visualization.overlays import draw_overlay, overlay_name, with_reasons, write_overlay

# Images shown in the report of each verdict, in this order.
_EXAMPLES: dict[Verdict, int] = {"defect": 16, "unfit": 8, "review": 8, "good": 8}
_EVERY: frozenset[Verdict] = frozenset(_EXAMPLES)


@dataclass(frozen=True, slots=True)
class InspectionSummary:
    """The numbers of images of each verdict, and of those that could not be inspected.

    Attributes:
        n_good: images with the verdict "good".
        n_defect: images with the verdict "defect".
        n_failed: images that could not be inspected.
        n_review: images with the verdict "review".
        strongest: names of the images with the highest scores of each verdict, a few of each, for the report.
        failures: (image, reason) of the first images that could not be inspected.
        n_unfit: images with the verdict "unfit".
        drift: warning that the images drift, if it was looked for and found.
        drift_words: how they stand, with the order and what it is worth.
    """

    n_good: int
    n_defect: int
    n_failed: int
    n_review: int = 0
    strongest: tuple[str, ...] = field(default=(), compare=False)
    failures: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    drift: DriftWarning | None = field(default=None, compare=False)
    n_unfit: int = field(default=0, kw_only=True)
    drift_words: str = field(default="", compare=False, kw_only=True)

    @property
    def exit_status(self) -> int:
        """As `excision.inspection.outcome.exit_status`."""
        return exit_status(self.counts)

    @property
    def counts(self) -> dict[Verdict | None, int]:
        """Number of images of each verdict; None is that of images that could not be inspected."""
        return {
            "good": self.n_good,
            "review": self.n_review,
            "defect": self.n_defect,
            "unfit": self.n_unfit,
            None: self.n_failed,
        }


def find_images(
    paths: Sequence[Path], leave_out: Path | None = None, notes: list[str] | None = None
) -> list[Path]:
    """List the images to inspect: the given files, and all image files below the given folders.

    Folders below them that Excision wrote itself, such as run folders and results, are passed over.

    Args:
        paths: files and folders.
        leave_out: folder to skip when folders are searched.
        notes: receives a sentence for each folder that is passed over, except `leave_out`, and one on masks.

    Raises:
        DatasetError: there are no images.
    """
    found: dict[Path, None] = {}
    said: list[str] = []
    for path in paths:
        # A file that does not exist stays in the list: it is reported like any image that cannot be read.
        found |= dict.fromkeys(_search(path, leave_out, said) if path.is_dir() else [path])
    said += _note_on_masks(list(found))
    if not found:
        raise DatasetError("".join([f"no image in {', '.join(map(str, paths))}", *(f"; {s}" for s in said)]))
    if notes is not None:
        notes += said
    return list(found)


def _note_on_masks(images: Sequence[Path]) -> list[str]:
    """Say that files which are called masks are inspected like any other: a part may be called so too."""
    masks = [path for path in images if is_surely_mask(path.stem) or any(map(names_masks, path.parts[:-1]))]
    if not masks or len(masks) == len(images):
        return []
    return [f"{len(masks)} files called masks are inspected as images, too, such as {masks[0]}."]


def _search(folder: Path, leave_out: Path | None, said: list[str]) -> list[Path]:
    listing = list_images(folder)
    inside = leave_out.resolve() if leave_out is not None else None
    # The last results of the same inspection are not worth a note.
    said += passed_over([ours for ours in listing.ours if ours[0].resolve() != inside], Path())
    if inside is None:
        return listing.images
    return [image for image in listing.images if inside not in image.resolve().parents]


def inspect_images(
    predictor: Predictor,
    images: Sequence[Path],
    out: Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> InspectionSummary:
    """Inspect images and write `results.jsonl`, `results.csv` and `overlays/`.

    Each line is on disk before the next image is opened. If an image cannot be inspected, its error is
    recorded and the inspection continues. Only the path of an image stays in memory.

    Args:
        predictor: detector or inspector.
        images: files to inspect.
        out: folder for the results.
        resume: keep the verdicts of an earlier inspection, and inspect only the remaining images.
        progress: called with (done, total).

    Raises:
        SettingsError: `out` holds results that are not to be resumed, or were made with another threshold.
    """
    kept = _kept(predictor, out, resume=resume)
    done = {line.image for line in kept}
    tally = _Tally()
    for line in kept:
        tally.add(line)
    with InspectionLog(out, kept) as log:
        del kept
        for count, path in enumerate(images, start=1):
            if str(path) not in done:
                line = inspect_file(predictor, path, out)
                log.add(line)
                tally.add(line)
            if progress is not None:
                progress(count, len(images))
    return tally.summary()


def _kept(predictor: Predictor, out: Path, *, resume: bool) -> list[InspectionRecord]:
    """Return the verdicts of an earlier inspection; images that failed then are tried again."""
    if not resume:
        if (out / JSONL).exists():
            raise SettingsError(
                f"{out} holds results already: continue them (--resume), or choose another folder"
            )
        return []
    lines = read_log(out)
    if any(line.threshold != predictor.threshold for line in lines):
        raise SettingsError(f"{out} holds results of another model: choose another folder")
    return [line for line in lines if line.verdict is not None]


@dataclass
class _Tally:
    """Counts the verdicts, and collects the images that the report shows."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    n_failed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    _strongest: dict[Verdict, list[tuple[float, str]]] = field(default_factory=dict)

    def add(self, line: InspectionRecord) -> None:
        """Count a line, and keep it if it is among the strongest of its verdict."""
        if line.score is None or line.verdict is None:
            self.n_failed += 1
            if len(self.failures) < FAILURES:
                self.failures.append((line.image, line.error or ""))
            return
        self.counts[line.verdict] += 1
        strongest = self._strongest.setdefault(line.verdict, [])
        _keep_largest(strongest, (line.score, line.image), _EXAMPLES[line.verdict])

    def summary(self) -> InspectionSummary:
        """Return the counts, with the images that have the highest scores of each verdict."""
        kinds = (self._strongest.get(verdict, []) for verdict in _EXAMPLES)
        return InspectionSummary(
            n_good=self.counts["good"],
            n_defect=self.counts["defect"],
            n_failed=self.n_failed,
            n_review=self.counts["review"],
            strongest=tuple(image for kind in kinds for _, image in sorted(kind, reverse=True)),
            failures=tuple(self.failures),
            n_unfit=self.counts["unfit"],
        )


def _keep_largest(heap: list[tuple[float, str]], item: tuple[float, str], most: int) -> None:
    heapq.heappush(heap, item)
    if len(heap) > most:
        heapq.heappop(heap)


def failed(image: str, threshold: float, reason: str, seconds: float = 0.0) -> InspectionRecord:
    """Record that an image could not be inspected."""
    return InspectionRecord(
        image, None, threshold, None, None, (), round(seconds, 4), overlay=None, error=reason
    )


def inspect_file(
    predictor: Predictor,
    path: Path,
    out: Path,
    state: str = "",
    *,
    name: str | None = None,
    pictured: Collection[Verdict] = _EVERY,
) -> InspectionRecord:
    """Inspect one image and write its overlay; if it cannot be inspected, `error` of the record says why.

    Args:
        predictor: detector or inspector.
        path: image file.
        out: folder of the results, in which the overlay is written.
        state: text that distinguishes files with the same path at different times, so that each gets a
            separate overlay.
        name: of the image in the record, where `path` is a copy of it; by default `path`.
        pictured: verdicts of the images that get an overlay.
    """
    start, name = time.perf_counter(), str(path) if name is None else name
    try:
        prediction = next(iter(predictor.predict([path])))
        size = probe_image(path).size
        if not math.isfinite(prediction.score):
            raise ImageError(f"{path}: the anomaly score is {prediction.score}, not a finite number")
    except ImageError as error:
        reason = str(error)
    except (ExcisionError, OSError):
        # The model or the disk is at fault, and so would be every other image.
        raise
    except Exception as error:
        # One image must not end the inspection of the others, whatever a library does with it.
        reason = printable(f"{path}: an unexpected error of the program ({type(error).__name__}: {error})")
    else:
        seconds = round(time.perf_counter() - start, 4)
        overlay = overlay_name(name, ".png", state) if prediction.verdict in pictured else None
        return record(prediction, name, out, overlay, size=size, seconds=seconds)
    seconds = round(time.perf_counter() - start, 4)
    return failed(name, predictor.threshold, reason.replace(str(path), name), seconds)


def record(
    prediction: Prediction,
    image: str,
    out: Path,
    overlay: str | None,
    *,
    size: tuple[int, int] | None,
    seconds: float,
) -> InspectionRecord:
    """Record the prediction for an image, and write its overlay.

    Args:
        prediction: prediction for the image.
        image: path or name of the image.
        out: folder of the results.
        overlay: path of the overlay in that folder; None for no overlay.
        size: (H, W) of the image file in pixels; None takes that of the prediction.
        seconds: from opening the file to the verdict.
    """
    found = findings(prediction, size)
    if overlay is not None:
        write_overlay(out / overlay, with_reasons(draw_overlay(prediction, found.shown_boxes), found.unfit))
    return InspectionRecord(
        image=image,
        score=found.score,
        threshold=prediction.threshold,
        verdict=found.verdict,
        defect_area_share=found.defect_area_share,
        boxes=found.boxes,
        seconds=seconds,
        overlay=overlay,
        error=None,
        p_value=found.p_value,
        unfit=found.unfit,
        image_statistics=found.image_statistics,
    )
