"""Inspecting files one after another, and keeping each result the moment it is there."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from excision.data.decode import probe_image
from excision.data.listing import list_images
from excision.errors import DatasetError, ImageError, SettingsError
from excision.files import atomic_path, write_text
from excision.regions import find_regions
from excision.results import Prediction, Verdict

if TYPE_CHECKING:
    from excision.evaluation.examples import Example

JSONL, CSV, REPORT, OVERLAYS = "results.jsonl", "results.csv", "report.html", "overlays"
_MOST_EXAMPLES = 24

Progress = Callable[[int, int], None]
Box = tuple[int, int, int, int]


class Predictor(Protocol):
    """Anything that inspects images one by one: the detector, or a method it is compared with."""

    @property
    def threshold(self) -> float:
        """Decision threshold in the unit of the anomaly score."""

    def predict(self, images: Sequence[Path]) -> Iterator[Prediction]:
        """Inspect images one after another."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """The line that is kept of an image.

    Attributes:
        image: its path as it was found.
        score: anomaly score; None where the image could not be inspected.
        threshold: decision threshold.
        verdict: "good" or "defect"; None where the image could not be inspected.
        defect_area_share: share of the pixels above the threshold, 0 to 1.
        boxes: around each region above the threshold, strongest first: (x, y, width, height) in pixels of
            the image file, upright.
        seconds: from opening the file to the verdict.
        overlay: picture of image and anomaly map, relative to the folder of results.
        error: why the image could not be inspected.
    """

    image: str
    score: float | None
    threshold: float
    verdict: Verdict | None
    defect_area_share: float | None
    boxes: tuple[Box, ...]
    seconds: float
    overlay: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class InspectionSummary:
    """How many images were good, defective, or could not be inspected."""

    n_good: int
    n_defect: int
    n_failed: int

    @property
    def exit_status(self) -> int:
        """Give 2 where something could not be inspected, else 1 where a defect was found, else 0."""
        return 2 if self.n_failed else 1 if self.n_defect else 0


def find_images(paths: Sequence[Path]) -> list[Path]:
    """List the images to inspect: named files as they are, and the image files anywhere below named folders.

    Raises:
        DatasetError: there is none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        # What does not exist stays in the list: it is reported like any image that cannot be read.
        found |= dict.fromkeys(list_images(path).images if path.is_dir() else [path])
    if not found:
        raise DatasetError(f"no image in {', '.join(map(str, paths))}")
    return list(found)


def inspect_images(
    predictor: Predictor,
    images: Sequence[Path],
    out: Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> InspectionSummary:
    """Inspect images and write `results.jsonl`, `results.csv`, `overlays/` and `report.html`.

    Each line is on disk before the next image is opened. An image that cannot be inspected is recorded with
    its error, and the rest go on. Memory does not grow with the number of images.

    Args:
        predictor: what inspects.
        images: files.
        out: folder for the results.
        resume: keep the lines that an interrupted inspection wrote, and inspect only what they lack.
        progress: called as (done, all).

    Raises:
        SettingsError: `out` holds results already, and they are not to be resumed.
    """
    kept = _kept_lines(out, resume=resume)
    done = {line.image for line in kept}
    results = list(kept)
    with _Results(out, kept) as sink:
        for count, path in enumerate(images, start=1):
            if str(path) not in done:
                line = _inspect(predictor, path, out, number=len(results) + 1)
                sink.add(line)
                # Only what the summary needs is kept of each image.
                results.append(replace(line, boxes=()))
            if progress is not None:
                progress(count, len(images))
    _write_report(predictor, out, results)
    verdicts = [line.verdict for line in results]
    return InspectionSummary(verdicts.count("good"), verdicts.count("defect"), verdicts.count(None))


def _inspect(predictor: Predictor, path: Path, out: Path, number: int) -> Inspection:
    start = time.perf_counter()
    try:
        prediction = next(predictor.predict([path]))
        size = probe_image(path).size
    except ImageError as error:
        seconds = time.perf_counter() - start
        return Inspection(
            str(path), None, predictor.threshold, None, None, (), round(seconds, 4), None, str(error)
        )
    seconds = time.perf_counter() - start
    above = prediction.anomaly_map > prediction.threshold
    boxes = [region.box for region in find_regions(above, prediction.anomaly_map)]
    overlay = f"{OVERLAYS}/{number:05d}_{path.stem}.png"
    _write_overlay(out / overlay, prediction, boxes)
    return Inspection(
        image=str(path),
        score=prediction.score,
        threshold=prediction.threshold,
        verdict=prediction.verdict,
        defect_area_share=float(above.mean()),
        boxes=tuple(_enlarge(box, above.shape, size) for box in boxes),
        seconds=round(seconds, 4),
        overlay=overlay,
        error=None,
    )


def _enlarge(box: Box, working: tuple[int, ...], original: tuple[int, int]) -> Box:
    """Give a box of the working image in pixels of the image file, rounded outwards."""
    (x, y, width, height), scale_y, scale_x = box, original[0] / working[0], original[1] / working[1]
    left, top = math.floor(x * scale_x), math.floor(y * scale_y)
    right, bottom = math.ceil((x + width) * scale_x), math.ceil((y + height) * scale_y)
    return left, top, min(right, original[1]) - left, min(bottom, original[0]) - top


def _write_overlay(path: Path, prediction: Prediction, boxes: Sequence[Box]) -> None:
    from PIL import Image

    from excision.evaluation.pictures import overlay

    picture = overlay(prediction.image, prediction.anomaly_map, prediction.threshold, boxes)
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary)


def _kept_lines(out: Path, *, resume: bool) -> list[Inspection]:
    """Read the whole lines of an earlier inspection; the one that a kill cut short is left out."""
    if not (out / JSONL).exists():
        return []
    if not resume:
        raise SettingsError(f"{out} holds results already: continue them (--resume), or choose another folder")
    lines = []
    for text in (out / JSONL).read_text("utf-8").splitlines():
        try:
            content = json.loads(text)
            content["boxes"] = tuple(tuple(box) for box in content["boxes"])
            lines.append(Inspection(**content))
        except (ValueError, KeyError, TypeError):
            continue
    return lines


class _Results:
    """The two files of results, a line an image, flushed at once."""

    def __init__(self, out: Path, kept: Sequence[Inspection]) -> None:
        self._out = out
        header = ",".join(Inspection.__dataclass_fields__) + "\n"
        write_text(out / JSONL, "".join(_as_json(line) for line in kept))
        write_text(out / CSV, header)
        self._csv_kept = kept

    def __enter__(self) -> _Results:
        self._jsonl = (self._out / JSONL).open("a", encoding="utf-8")
        self._csv = (self._out / CSV).open("a", encoding="utf-8", newline="")
        for line in self._csv_kept:
            self._add_row(line)
        return self

    def __exit__(self, *_: object) -> None:
        self._jsonl.close()
        self._csv.close()

    def add(self, line: Inspection) -> None:
        """Write one line to both files."""
        self._jsonl.write(_as_json(line))
        self._jsonl.flush()
        self._add_row(line)

    def _add_row(self, line: Inspection) -> None:
        values = {**asdict(line), "boxes": json.dumps(line.boxes)}
        csv.writer(self._csv, lineterminator="\n").writerow(values.values())
        self._csv.flush()


def _as_json(line: Inspection) -> str:
    return json.dumps(asdict(line), ensure_ascii=False) + "\n"


def _write_report(predictor: Predictor, out: Path, results: Sequence[Inspection]) -> None:
    """Show the strongest defects, then the good parts that came closest to one."""
    from excision.evaluation.report import Card, write_report

    inspected = [line for line in results if line.score is not None]
    failed = [line for line in results if line.score is None]
    ranked = sorted(inspected, key=lambda line: line.score or 0.0, reverse=True)
    defects = [line for line in ranked if line.verdict == "defect"]
    goods = [line for line in ranked if line.verdict == "good"]
    shown = defects[: _MOST_EXAMPLES * 2 // 3]
    shown += goods[: _MOST_EXAMPLES - len(shown)]
    cards = [
        Card("defects", str(len(defects)), "images above the threshold"),
        Card("good", str(len(goods)), "images at or below it"),
        Card("not inspected", str(len(failed)), "see the notes" if failed else "every image could be read"),
    ]
    write_report(
        out / REPORT,
        "Inspection",
        [("images", str(len(results))), ("threshold", f"{predictor.threshold:.4g}")],
        cards,
        (),
        _examples(predictor, shown),
        notes=[f"{line.image}: {line.error}" for line in failed[:_MOST_EXAMPLES]],
    )


def _examples(predictor: Predictor, shown: Sequence[Inspection]) -> Iterator[Example]:
    from excision.evaluation.examples import Example

    for line in shown:
        try:
            yield Example(line.image, None, next(predictor.predict([Path(line.image)])))
        except ImageError:
            # The file has been moved since; its line of results stands all the same.
            continue
