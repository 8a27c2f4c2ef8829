"""What scripts share that read several scores off the same pass of finished runs, and compare them."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from statistics import mean
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from excision import Dataset, Detector, load_dataset
from excision.evaluation.metrics import average_precision, image_auroc
from excision.ops.memory_format import image_tensor

Key = TypeVar("Key")


def mean_figures(
    description: str | None, scores: Callable[[Detector, Dataset], dict[Key, list[float]]]
) -> dict[Key, tuple[float, float]]:
    """Read DATA and RUNs from the command line; give image AUROC and AP of each score, averaged over runs.

    Args:
        description: of the script, for its help.
        scores: gives by key a score of each test image, in their order.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("runs", nargs="+")
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.data)
    defective = np.array([sample.defective for sample in dataset.test])
    figures: dict[Key, list[tuple[float, float]]] = defaultdict(list)
    for run in arguments.runs:
        for key, found in scores(Detector.load(run), dataset).items():
            each = np.array(found)
            figures[key].append((image_auroc(defective, each), average_precision(defective, each)))
    return {key: (mean(f[0] for f in pairs), mean(f[1] for f in pairs)) for key, pairs in figures.items()}


def test_images(detector: Detector, dataset: Dataset) -> Iterator[Tensor]:
    """Give the test images as (1, C, H, W) in [0, 1]."""
    for sample in dataset.test:
        yield image_tensor(detector.image_format.read(sample.image), torch.device("cpu"))
