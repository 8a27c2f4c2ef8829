"""Draw a sheet of the defects that a finished run misses, and count them by kind and size.

    python experiments/missed_defects.py DATA RUN --out missed.png [--rate 0.05] [--most 60]

Inspects the defective test images. Missed are those whose score is not above the threshold that the run's
calibration gives for the wanted false-alarm rate. The sheet shows each missed one twice: with the outline of
its defect in red, and its anomaly map, whose white is the threshold; those with the lowest scores come first.
Printed are, for each kind of defect, how many of how many are missed, the median diameter in pixels of missed
and of found ones (that of a circle with the area of the mask, on the working image), and in how many missed
images the map is largest on the defect, so that only the threshold is too high. A sheet shows images of the
data set, so its licence is that of the data.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from excision import Detector, load_dataset
from excision.data.records import Sample
from excision.evaluation.evaluate import read_ground_truth
from excision.predictions import Prediction

_SIDE = 220  # pixels of the box that an image is fitted into
_CAPTION = 14
_COLUMNS = 6
_NEAR = 8  # pixels within which the map counts as largest on the defect


@dataclass(frozen=True)
class Inspected:
    """A defective image: what was found, and what is missed at the threshold.

    Attributes:
        sample: of the data set.
        score: anomaly score.
        diameter: that of a circle with the area of the mask, in pixels of the working image; None if unknown.
        on_defect: whether the map is largest on the defect, or close to it; None without a mask.
        picture: image and map for the sheet; None if it is not missed.
    """

    sample: Sample
    score: float
    diameter: float | None
    on_defect: bool | None
    picture: Image.Image | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="PNG file of the sheet")
    parser.add_argument("--rate", type=float, default=0.05, help="wanted false-alarm rate")
    parser.add_argument("--most", type=int, default=60, help="most images on the sheet")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    detector = Detector.load(arguments.run, device="cpu")
    threshold = detector.calibration.for_rate(arguments.rate).threshold
    samples = [sample for sample in load_dataset(arguments.data).test if sample.defective]
    every = [inspect(detector, sample, threshold) for sample in samples]
    found = [each for each in every if each is not None]
    print("\n".join(table(found, threshold)))
    if len(found) < len(every):
        print(f"{len(every) - len(found)} images are unfit, and neither found nor missed")
    missed = sorted((each for each in found if each.picture is not None), key=lambda each: each.score)
    if missed:
        sheet([each.picture for each in missed[: arguments.most] if each.picture]).save(arguments.out)


def inspect(detector: Detector, sample: Sample, threshold: float) -> Inspected | None:
    """Inspect one defective image, and draw it if it is missed; None if it is unfit."""
    prediction = detector.inspect(sample.image)
    if prediction.unfit:
        return None
    height, width = prediction.anomaly_map.shape
    truth = read_ground_truth(sample, (height, width))
    diameter = on_defect = None
    if truth is not None and truth.any():
        diameter = 2 * math.sqrt(float(truth.sum()) / math.pi)
        top, left = np.unravel_index(int(prediction.anomaly_map.argmax()), (height, width))
        rows, columns = (slice(max(int(place) - _NEAR, 0), int(place) + _NEAR + 1) for place in (top, left))
        on_defect = bool(truth[rows, columns].any())
    picture = None if prediction.score > threshold else draw(prediction, truth, sample.label, threshold)
    return Inspected(sample, prediction.score, diameter, on_defect, picture)


def draw(prediction: Prediction, truth: NDArray[np.bool_] | None, kind: str, threshold: float) -> Image.Image:
    """Draw the image with the outline of the defect, and its anomaly map, with a caption."""
    colours = np.broadcast_to(prediction.image, (*prediction.image.shape[:2], 3))
    pixels = (255 * colours).astype(np.uint8)
    if truth is not None:
        padded = np.pad(truth, 1)
        outer = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
        pixels[outer & ~truth] = (255, 0, 0)
    levels = (255 * (prediction.anomaly_map / threshold).clip(0, 1)).astype(np.uint8)
    parts = [Image.fromarray(pixels), Image.fromarray(levels).convert("RGB")]
    for part in parts:
        part.thumbnail((_SIDE, _SIDE))
    wide, tall = parts[0].size
    beside = tall > wide
    size = (2 * wide + 2, tall) if beside else (wide, 2 * tall + 2)
    joined = Image.new("RGB", (size[0], size[1] + _CAPTION), "white")
    ImageDraw.Draw(joined).text((2, 1), f"{kind} {prediction.score / threshold:.0%}", "black")
    joined.paste(parts[0], (0, _CAPTION))
    joined.paste(parts[1], (wide + 2, _CAPTION) if beside else (0, _CAPTION + tall + 2))
    return joined


def sheet(pictures: Sequence[Image.Image]) -> Image.Image:
    """Lay pictures out in rows."""
    wide, tall = (max(picture.size[axis] for picture in pictures) + 6 for axis in (0, 1))
    rows = math.ceil(len(pictures) / _COLUMNS)
    joined = Image.new("RGB", (wide * min(_COLUMNS, len(pictures)), tall * rows), "white")
    for place, picture in enumerate(pictures):
        joined.paste(picture, (wide * (place % _COLUMNS), tall * (place // _COLUMNS)))
    return joined


def table(found: Sequence[Inspected], threshold: float) -> Iterator[str]:
    """Give the rows of a Markdown table, one for each kind of defect."""
    yield "| kind | missed | diameter of missed | of found | largest on the defect | median score |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for kind in sorted({each.sample.label for each in found}):
        of_kind = [each for each in found if each.sample.label == kind]
        missed = [each for each in of_kind if each.picture is not None]
        on_defect = [each.on_defect for each in missed if each.on_defect is not None]
        cells = [
            kind,
            f"{len(missed)} of {len(of_kind)}",
            _middle([each.diameter for each in missed]),
            _middle([each.diameter for each in of_kind if each.picture is None]),
            f"{sum(on_defect)} of {len(on_defect)}",
            f"{median(each.score for each in of_kind) / threshold:.0%}",
        ]
        yield f"| {' | '.join(cells)} |"


def _middle(diameters: Sequence[float | None]) -> str:
    known = [each for each in diameters if each is not None]
    return f"{median(known):.0f} px" if known else "-"


if __name__ == "__main__":
    main()
