"""Export a run for every backend and precision, inspect the test images with each, and print the table.

    python experiments/parity.py RUN DATA --out runs/parity

Drift is the largest difference of a score from torch as a share of torch's threshold. A verdict has changed
where an image lies on the other side of the threshold; each backend has the one calibrated on its own scores.
The backends inspect each image in turn, so that a noisy machine slows all alike; the time is the median.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from excision import Detector
from excision.data import Dataset, load_dataset
from excision.evaluation.metrics import average_precision, image_auroc
from excision.export.export import export
from excision.progress import Bars
from excision.runtime.backend import BackendName, Precision
from excision.runtime.inspector import Inspector
from excision.runtime.model_folder import is_exported

KINDS: dict[str, tuple[BackendName, Precision]] = {
    "ONNX Runtime fp32": ("onnx", "fp32"),
    "ONNX Runtime int8": ("onnx", "int8"),
    "OpenVINO fp32": ("openvino", "fp32"),
    "OpenVINO bf16": ("openvino", "bf16"),
    "OpenVINO int8": ("openvino", "int8"),
}


class Verdicts(NamedTuple):
    """What one backend says of the test images."""

    scores: NDArray[np.float64]
    defects: NDArray[np.bool_]
    milliseconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.data)
    folders = {name: arguments.out / name.lower().replace(" ", "-") for name in KINDS}
    for name, (backend, precision) in KINDS.items():
        if not is_exported(folders[name]):
            with Bars() as bars:
                export(
                    arguments.run,
                    dataset,
                    folders[name],
                    to=backend,
                    precision=precision,
                    allow_drift=float("inf"),
                    stage=bars.stage,
                )
    import torch

    torch.set_num_threads(arguments.threads)
    detector = Detector.load(arguments.run, device="cpu")
    models: dict[str, Detector | Inspector] = {"torch fp32": detector}
    models |= {name: Inspector(folder, arguments.threads) for name, folder in folders.items()}
    _print(dataset, _inspect(models, dataset), detector.threshold)


def _inspect(models: dict[str, Detector | Inspector], dataset: Dataset) -> dict[str, Verdicts]:
    # Of a prediction only what the table needs is kept: its maps would fill the memory.
    found: dict[str, list[tuple[float, bool, float]]] = {name: [] for name in models}
    with Bars() as bars:
        progress: Callable[[int, int], None] = bars.part("inspecting")
        for done, sample in enumerate(dataset.test, start=1):
            for name, model in models.items():
                prediction = next(iter(model.predict([sample.image])))
                found[name].append((prediction.score, prediction.verdict == "defect", prediction.seconds))
            progress(done, len(dataset.test))
    return {
        name: Verdicts(
            np.array([score for score, _, _ in lines]),
            np.array([defect for _, defect, _ in lines]),
            1e3 * median(seconds for _, _, seconds in lines),
        )
        for name, lines in found.items()
    }


def _print(dataset: Dataset, verdicts: dict[str, Verdicts], unit: float) -> None:
    truth = np.array([sample.defective for sample in dataset.test])
    table = Table("", "score drift", "verdicts changed", "image AUROC", "image AP", "ms", "times torch")
    torch_says = verdicts["torch fp32"]
    for name, (scores, defects, milliseconds) in verdicts.items():
        table.add_row(
            name,
            f"{np.abs(scores - torch_says.scores).max() / unit:.1e}",
            str(int((defects != torch_says.defects).sum())),
            f"{image_auroc(truth, scores):.4f}",
            f"{average_precision(truth, scores):.4f}",
            f"{milliseconds:.1f}",
            f"{torch_says.milliseconds / milliseconds:.2f}",
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
