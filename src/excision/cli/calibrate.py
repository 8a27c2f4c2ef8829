"""`excision calibrate`: a new threshold without training, for another false-alarm rate or another camera."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from excision.cli.options import number
from excision.cli.output import say
from excision.progress import Bars

if TYPE_CHECKING:
    from excision.runtime.inspector import Inspector

app = App(
    name="calibrate",
    help_epilogue="Uses good images only, which must not be those the model was trained on, and stores the "
    "new threshold in the folder. It needs neither torch nor defective images.\n\n"
    "`--review-rate` opens a grey zone below the threshold: parts that score in this zone get the verdict "
    '"review".\n\n'
    "```\n"
    "excision calibrate line/parts good_parts/ --false-alarm-rate 0.5%\n"
    "excision calibrate line/parts good_parts/ --false-alarm-rate 0.5% --review-rate 5%\n"
    "excision calibrate line/parts good_parts/ --roi region.png --minimum-area 12\n"
    "```",
)


@app.default
def calibrate(
    folder: Annotated[Path, Parameter(help="Folder that `excision export` wrote.")],
    normals: Annotated[list[Path], Parameter(help="Good images, or folders that are searched for images.")],
    /,
    *,
    false_alarm_rate: Annotated[
        float | None,
        Parameter(
            help="Share of good parts that may be called defective: 0.005 or 0.5%. By default the rate is "
            "unchanged.",
            converter=number,
        ),
    ] = None,
    review_rate: Annotated[
        float | None,
        Parameter(
            help="Share of good parts that may be called defective or sent to review; 0 for no review. By "
            "default it is unchanged.",
            converter=number,
        ),
    ] = None,
    roi: Annotated[
        Path | None,
        Parameter(
            help="Region of interest: an image that is white where defects count, or a TOML file with "
            "`size = [H, W]` and `polygons = [[[x, y], ...], ...]`. By default it is unchanged."
        ),
    ] = None,
    minimum_area: Annotated[
        int | None,
        Parameter(
            help="Smallest area of a defect, in pixels of the working image or of a large image. By default "
            "it is unchanged."
        ),
    ] = None,
) -> int:
    """Set the decision threshold of an exported model again, on good images."""
    from excision.errors import DatasetError, ImageError, SettingsError
    from excision.inspection.batch import find_images
    from excision.runtime.defect_criteria import DefectCriteria, read_region
    from excision.runtime.inspector import Inspector

    inspector = Inspector(folder)
    inspector.criteria = DefectCriteria(
        inspector.criteria.region if roi is None else read_region(roi, inspector.region_size),
        inspector.criteria.minimum_area if minimum_area is None else minimum_area,
    )
    before = inspector.calibration
    rate = before.rate if false_alarm_rate is None else false_alarm_rate
    if not 0 < rate < 1:
        raise SettingsError(f"--false-alarm-rate is {rate}: it must lie between 0 and 1")
    review = _review_rate(inspector, review_rate)
    if review is not None and not rate < review < 1:
        raise SettingsError(f"--review-rate is {review}: it must lie between the false-alarm rate and 1")
    images, scores = find_images(normals), []
    with Bars() as bars:
        calibrating = bars.part("calibrating")
        for done, image in enumerate(images, start=1):
            try:
                scores.append(inspector.inspect(image).score)
            except ImageError as error:
                say(f"Skipped: {error}")
            calibrating(done, len(images))
    if not scores:
        raise DatasetError("none of the images can be read: the threshold is unchanged")
    inspector.recalibrate(scores, rate, review)
    after, zone = inspector.calibration, inspector.description.review
    say(f"Threshold: {before.threshold:.6g} before, {after.threshold:.6g} now. {after.explain()}.")
    if zone is not None:
        say(f"Review from {zone.threshold:.6g}: at most {zone.promised_rate:.2%} of good parts score higher.")
    return 0


def _review_rate(inspector: Inspector, wished: float | None) -> float | None:
    if wished is None:
        kept = inspector.description.review
        return None if kept is None else kept.rate
    return wished or None
