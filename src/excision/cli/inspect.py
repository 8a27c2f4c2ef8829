"""`excision inspect`: a verdict on each image."""

from __future__ import annotations

from pathlib import Path

from excision.cli.console import bars, notes, screen


def inspect(run: Path, images: list[Path], /, *, out: Path, resume: bool = False) -> int:
    """Give a verdict on each image: good or defect, where, and how sure.

    Example: excision inspect runs/parts new_images/ extra.png --out results/

    Writes results.csv and results.jsonl (a line an image: score, verdict, boxes in pixels of the image file),
    a picture of each image in overlays/, and report.html. What cannot be read is recorded, and the rest go
    on. Ends with status 0 if all are good, 1 if a defect was found, 2 if something could not be inspected.

    Args:
        run: folder of a finished training.
        images: image files, or folders that are searched for them.
        out: folder for the results.
        resume: continue an interrupted inspection in --out.
    """
    from excision import Detector
    from excision.inspection import find_images, inspect_images

    detector = Detector.load(run)
    found = find_images(images)
    try:
        with bars() as shown:
            summary = inspect_images(detector, found, out, resume=resume, progress=shown.part("inspecting"))
    except KeyboardInterrupt:
        notes.print("stopped; every finished result is kept, and --resume continues")
        raise
    screen.print(f"{summary.n_good} good, {summary.n_defect} defective, {summary.n_failed} not inspected")
    screen.print(f"results are in {out}; open {out / 'report.html'}")
    return summary.exit_status
