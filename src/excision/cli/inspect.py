"""`excision inspect`: a verdict on each image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.output import Bars, say

app = App(
    name="inspect",
    help_epilogue="Writes `results.csv` and `results.jsonl` (a line an image: score, verdict, boxes in "
    "pixels of the image file), a picture of each image in `overlays/`, and `report.html`. What cannot be "
    "read is recorded, and the rest go on. The exit status is 0 if all are good, 1 if a defect was found, 2 "
    "if something could not be inspected.\n\n"
    "```\n"
    "excision inspect runs/parts new_images/ --out results/\n"
    "excision inspect runs/parts part_017.png part_018.png --out results/ --resume\n"
    "```",
)


@app.default
def inspect(
    run: Annotated[Path, Parameter(help="Run folder, or a folder that `excision export` wrote.")],
    images: Annotated[list[Path], Parameter(help="Image files, or folders that are searched for them.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder for the results.")],
    resume: Annotated[
        bool, Parameter(help="Keep the results that are in --out and inspect the rest.", negative="")
    ] = False,
) -> int:
    """Give each image a verdict and keep it at once."""
    from excision.inspection import find_images, inspect_images
    from excision.models import load_predictor

    predictor = load_predictor(run)
    found = find_images(images, leave_out=out)
    try:
        with Bars() as bars:
            summary = inspect_images(predictor, found, out, resume=resume, progress=bars.part("inspecting"))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; every finished result is kept, and --resume continues") from None
    review = f"{summary.n_review} to review, " if summary.n_review else ""
    say(f"{summary.n_good} good, {review}{summary.n_defect} defective, {summary.n_failed} not inspected")
    say(f"Results: {out / 'results.csv'}")
    say(f"Report:  {out / 'report.html'}")
    return summary.exit_status
