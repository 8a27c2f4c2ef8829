"""Draw every stage of one image side by side, as on the first page of the documentation.

python experiments/stages_picture.py RUN IMAGE [IMAGE ...] --out docs/images/stages.png

Each image is a row; the columns are the stages in their order.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from excision import Detector, Prediction
from excision.visualization import pictures

GAP, CAPTION = 8, 26
BACKGROUND, INK = (255, 255, 255), (60, 60, 60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rows = [_panels(prediction) for prediction in Detector.load(arguments.run).predict(arguments.images)]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    _sheet(rows).save(arguments.out, optimize=True)


def _panels(prediction: Prediction) -> dict[str, pictures.Picture]:
    return {
        "input": pictures.show_image(prediction.image),
        "attention": pictures.attention_map(prediction.attention),
        "mask": pictures.show_mask(prediction.image, prediction.mask),
        "masked image": pictures.show_image(prediction.masked_image),
        "recovery": pictures.show_image(prediction.recovery),
        "anomaly map": pictures.heat_map(prediction.anomaly_map, prediction.threshold),
    }


def _sheet(rows: list[dict[str, pictures.Picture]]) -> Image.Image:
    height, width = next(iter(rows[0].values())).shape[:2]
    names = list(rows[0])
    size = (len(names) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP + CAPTION)
    sheet = Image.new("RGB", size, BACKGROUND)
    writer = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        left = column * (width + GAP)
        writer.text((left + width / 2, 4), name, fill=INK, font=ImageFont.load_default(size=16), anchor="ma")
        for row, panels in enumerate(rows):
            panel = np.ascontiguousarray(panels[name])
            sheet.paste(Image.fromarray(panel), (left, CAPTION + row * (height + GAP)))
    return sheet


if __name__ == "__main__":
    main()
