"""Inspects files, and writes each result as soon as it is known."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from excision.data.decode import probe_image
from excision.data.listing import list_images, passed_over
from excision.data.mask_names import is_surely_mask, names_masks
from excision.errors import DatasetError, ExcisionError, ImageError, SettingsError
from excision.inspection.findings import findings
from excision.inspection.log import JSONL, InspectionLog, InspectionRecord, read_log
from excision.inspection.tally import EXAMPLES, InspectionSummary, Tally
from excision.predictions import Prediction, Predictor, Verdict
from excision.progress import Progress
from excision.system.budget import Budget
from excision.system.in_order import in_order
from excision.system.interrupts import deferred_interrupt
from excision.system.names import printable
from excision.tiling.tile_threads import LARGE
from excision.visualization.overlays import draw_overlay, overlay_name, with_reasons, write_overlay

_EVERY: frozenset[Verdict] = frozenset(EXAMPLES)

_PIXELS = 2**26
"""Pixels of the image files that are in memory at once."""


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
    found = dict.fromkeys(_each_once(found))
    said += _note_on_masks(list(found))
    if not found:
        raise DatasetError("".join([f"no image in {', '.join(map(str, paths))}", *(f"; {s}" for s in said)]))
    if notes is not None:
        notes += said
    return list(found)


def _each_once(paths: Iterable[Path]) -> Iterator[Path]:
    """Leave out other spellings of a path, such as `a/../a/x.png`; a link is a name of its own."""
    folders: dict[Path, Path] = {}
    seen: set[Path] = set()
    for path in paths:
        if path.parent not in folders:
            folders[path.parent] = _spelled(path.parent)
        place = folders[path.parent] / path.name
        if place not in seen:
            seen.add(place)
            yield path


def _spelled(folder: Path) -> Path:
    """Give the absolute path of a folder without dots; links stay, but for those that dots lead out of."""
    parts = folder.absolute().parts
    if ".." not in parts:
        return Path(*parts)
    after = len(parts) - parts[::-1].index("..")
    return Path(*parts[:after]).resolve() / Path(*parts[after:])


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
    workers: int = 1,
    has_tiles: bool = False,
) -> InspectionSummary:
    """Inspect images and write `results.jsonl`, `results.csv` and `overlays/`.

    Each image is inspected alone, and each line is on disk as soon as it and those before it are known: their
    order is that of the images, whatever the number of workers. If an image cannot be inspected, its error is
    recorded and the inspection continues. Only the path of an image stays in memory.

    After Ctrl-C no image begins any more; those in progress are recorded if they end within two seconds.

    Args:
        predictor: detector or inspector.
        images: files to inspect.
        out: folder for the results.
        resume: keep the verdicts of an earlier inspection, and inspect only the remaining images.
        progress: called with (done, total).
        workers: images inspected at once, each in a thread. An image of 16 million pixels or more is
            inspected alone by a model that has tiles, of which so many are then inspected at once. With any
            model, the image files in memory have 67 million pixels together, or there is only one.
        has_tiles: whether the model inspects images in tiles.

    Raises:
        KeyboardInterrupt: the user wants to stop.
        SettingsError: `out` holds results that are not to be resumed, or were made with another threshold.
    """
    kept = _kept(predictor, out, resume=resume)
    done = {line.image for line in kept}
    tally = Tally()
    for line in kept:
        tally.add(line)
    wanted = [path for path in images if str(path) not in done]
    count, room = len(images) - len(wanted), Budget(_PIXELS)
    alone = LARGE if has_tiles else _PIXELS

    def inspect(path: Path) -> InspectionRecord:
        pixels = _pixels(path) if workers > 1 else 0
        with room.take(pixels if pixels < alone else _PIXELS):
            return inspect_file(predictor, path, out)

    with InspectionLog(out, kept) as log, deferred_interrupt() as interrupt:
        del kept, done
        for line in in_order(inspect, wanted, workers, lambda: interrupt.asked):
            log.add(line)
            tally.add(line)
            count += 1
            if progress is not None:
                progress(count, len(images))
    return tally.summary()


def _pixels(path: Path) -> int:
    """Return the number of pixels of an image file; 0 if it cannot be read, which its inspection will say."""
    try:
        height, width = probe_image(path).size
    except (ImageError, OSError):
        return 0
    return height * width


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
        size = prediction.size or probe_image(path).size
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
