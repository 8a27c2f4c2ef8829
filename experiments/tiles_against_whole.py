"""How far the anomaly map in tiles is from that of the whole image at once, where both fit into memory.

    python experiments/tiles_against_whole.py RUN GOOD IMAGE [IMAGE ...] [--halos 0 16 32 64]

RUN was trained with `--tile`. The networks are the same for tiles and whole; what is usual at each place, and
the mask threshold, are learnt anew for the whole from the images of the folder GOOD, which have the size of
IMAGE. Differences are told as shares of the decision threshold, by the halo that tiles are not asked of.
"""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from excision import Detector
from excision.data.images import any_full_image
from excision.inspection.batch import find_images
from excision.method.normal_images import NormalImages
from excision.method.normal_statistics import learn_attention
from excision.method.pipeline import Pipeline
from excision.ops.memory_format import channels_last, image_tensor
from excision.ops.unit_range import to_unit
from excision.predictions import Prediction
from excision.tiling.assembly import inspect_working, visit_tiles
from excision.tiling.geometry import Tiling
from excision.tiling.image_format import ImageFormat

CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("good", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--halos", type=int, nargs="+", default=(0, 16, 32, 64))
    arguments = parser.parse_args()
    detector = Detector.load(arguments.run, device="cpu")
    tiling, channels = detector.image_format.tiling, detector.image_format.channels
    if tiling is None:
        parser.error(f"{arguments.run} was not trained with --tile")
    images = [any_full_image(path, channels) for path in arguments.images]
    good = [any_full_image(path, channels) for path in find_images([arguments.good])]
    pipeline = for_whole(detector, good)
    wholes = [inspect(pipeline, image) for image in images]
    table = Table("halo", "tiles", "largest", "99.9 %", "mask differs", "mask", "mask of whole", "scores")
    for halo in arguments.halos:
        other = Tiling(tiling.size, tiling.grid, halo)
        pairs = list(zip(images, wholes, strict=True))
        rows = np.array([compare(detector, other, image, whole) for image, whole in pairs])
        table.add_row(str(halo), *summarise(rows))
    Console(width=110).print(table)


def for_whole(detector: Detector, good: Sequence[NDArray[np.uint16]]) -> Pipeline:
    """Give the same networks for whole images, with the normal statistics of the good ones."""
    learnt, size = detector.pipeline, (good[0].shape[0], good[0].shape[1])
    image_format = ImageFormat(size, detector.image_format.channels)
    pipeline = Pipeline(learnt.settings, image_format, copy.deepcopy(learnt.attention))
    pipeline.recovery.load_state_dict(learnt.recovery.state_dict())
    # The unit of the map: surprisal is measured by the tails that tiles have.
    pipeline.scorer.tails.copy_(learnt.scorer.tails)
    pipeline = channels_last(pipeline).eval()
    normal = NormalImages(len(good), lambda index: image_tensor(good[index], CPU))
    learn_attention(pipeline, normal)
    sums = pipeline.scorer.residual_sums()
    for image in normal(lambda *_: None):
        sums.add(*pipeline.scorer.residual_of(pipeline.scorer_input(image)))
    pipeline.scorer.fit_residual(sums)
    return pipeline


def inspect(pipeline: Pipeline, image: NDArray[np.uint16]) -> Prediction:
    """Inspect an image of the size that the pipeline is for."""
    stages = pipeline(image_tensor(image, CPU))
    planes = {
        name: part[0].permute(1, 2, 0).numpy() for name, part in stages._asdict().items() if part.ndim > 1
    }
    return Prediction(
        score=float(stages.score[0]),
        threshold=math.inf,
        anomaly_map=planes["anomaly_map"][..., 0],
        image=to_unit(image),
        seconds=0.0,
        attention=planes["attention"][..., 0],
        mask=planes["mask"][..., 0],
        masked_image=planes["masked_image"],
        recovery=planes["recovery"],
    )


def compare(detector: Detector, tiling: Tiling, image: NDArray[np.uint16], whole: Prediction) -> list[float]:
    """Give the figures of one image, in the order of the table."""
    found = inspect_working(image, tiling, lambda tile: inspect(detector.pipeline, tile))
    difference = np.abs(found.anomaly_map - whole.anomaly_map) / detector.threshold
    return [
        sum(1 for _ in visit_tiles(image, tiling)),
        float(difference.max()),
        float(np.quantile(difference, 0.999)),
        float((whole.mask != found.mask).mean()),
        float(found.mask.mean()),
        float(whole.mask.mean()),
        abs(found.score - float(whole.anomaly_map.max())) / detector.threshold,
    ]


def summarise(rows: NDArray[np.float64]) -> list[str]:
    tiles, *shares = rows.mean(axis=0)
    return [f"{tiles:.0f}", *(f"{share:.1%}" for share in shares)]


if __name__ == "__main__":
    main()
