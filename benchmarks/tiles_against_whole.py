"""How far the anomaly map in tiles is from that of the whole image at once, where both fit into memory.

    python benchmarks/tiles_against_whole.py RUN IMAGE [IMAGE ...] [--halos 0 16 32 64] [--tiles 256 512]

RUN was trained with `--tile`. What is usual at each place of a tile is replaced by its mean, for tiles and
whole alike, since a place of a tile is none of the whole image. Differences are told as shares of the
decision threshold, by the halo that tiles are not asked of, and the size of the tiles.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from excision import Detector
from excision.data.images import any_full_image
from excision.errors import SettingsError
from excision.memory_format import channels_last
from excision.pipeline import Pipeline
from excision.settings import ImageSettings
from excision.tiling.assembly import Assembled, inspect_tiles
from excision.tiling.geometry import Tiling, choose_tiling

Size = tuple[int, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--halos", type=int, nargs="+", default=(0, 16, 32, 64))
    parser.add_argument("--tiles", type=int, nargs="+", default=(256, 512))
    arguments = parser.parse_args()
    detector = Detector.load(arguments.run, device="cpu")
    tiling = choose_tiling(detector.settings)
    if tiling is None:
        parser.error(f"{arguments.run} was not trained with --tile")
    channels = detector.settings.image.channels
    assert channels is not None  # fitting settled it
    images = [any_full_image(path, channels) for path in arguments.images]
    wholes = [inspect(detector, uniform(detector, image.shape[:2]), image) for image in images]
    table = Table("tile", "halo", "tiles", "largest", "99.9 %", "median in mask", "score", "mask differs")
    for side in arguments.tiles:
        for halo in arguments.halos:
            try:
                other = Tiling((side, side), tiling.grid, halo)
            except SettingsError:
                continue
            pipeline = uniform(detector, other.size)
            rows = [
                compare(detector, pipeline, other, image, whole)
                for image, whole in zip(images, wholes, strict=True)
            ]
            table.add_row(str(side), str(halo), *summarise(np.array(rows)))
    Console(width=110).print(table)


def uniform(detector: Detector, size: Size) -> Pipeline:
    """Give the networks for images of another size, with what is usual the same everywhere."""
    learnt = detector.pipeline
    settings = replace(detector.settings, image=ImageSettings(size, detector.settings.image.channels))
    pipeline = Pipeline(settings, copy.deepcopy(learnt.attention))
    pipeline.recovery.load_state_dict(learnt.recovery.state_dict())
    pipeline.mask_threshold = learnt.mask_threshold
    pipeline.tails.copy_(learnt.tails)
    for name in ("usual", "level", "spread"):
        getattr(pipeline, name).fill_(float(getattr(learnt, name).mean()))
    return channels_last(pipeline).eval()


def inspect(detector: Detector, pipeline: Pipeline, image: NDArray[np.uint16]) -> Assembled:
    """Inspect an image, or a tile, of the size that the pipeline is for."""
    tensor = torch.from_numpy(image.astype(np.float32) / np.float32(65535)).permute(2, 0, 1)[None]
    stages = pipeline(tensor.to(detector.device).contiguous(memory_format=torch.channels_last))
    planes = {
        name: part[0].permute(1, 2, 0).numpy() for name, part in stages._asdict().items() if part.ndim > 1
    }
    return Assembled(
        planes["anomaly_map"][..., 0],
        image.astype(np.float32),
        planes["attention"][..., 0],
        planes["mask"][..., 0],
        planes["holed"],
        planes["recovery"],
        1,
        1,
    )


def compare(
    detector: Detector, pipeline: Pipeline, tiling: Tiling, image: NDArray[np.uint16], whole: Assembled
) -> list[float]:
    found = inspect_tiles(image, tiling, lambda tile: inspect(detector, pipeline, tile))
    difference = np.abs(found.anomaly_map - whole.anomaly_map) / detector.threshold
    score = abs(float(found.anomaly_map.max()) - float(whole.anomaly_map.max())) / detector.threshold
    inside = difference[whole.mask | found.mask]
    apart = float((whole.mask != found.mask).mean())
    return [
        found.tiles, difference.max(), np.quantile(difference, 0.999), np.median(inside), score, apart
    ]  # fmt: skip


def summarise(rows: NDArray[np.float64]) -> list[str]:
    tiles, largest, most, usual, score, apart = rows.T
    return [
        f"{tiles.mean():.0f}",
        f"{largest.max():.1%}",
        f"{most.max():.2%}",
        f"{usual.mean():.2%}",
        f"{score.max():.2%}",
        f"{apart.mean():.3%}",
    ]


if __name__ == "__main__":
    main()
