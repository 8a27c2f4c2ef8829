"""Train with several seeds, switch off one part of the method at a time, and print the table.

    python benchmarks/ablation.py DATA --out runs/ablation [--seeds 3]

Every line of the table comes from the commands that are printed as they run. What is finished is not run
again, so an interrupted study goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

# Name of the line, options of `excision train`, options of `excision evaluate`.
VARIANTS: dict[str, tuple[list[str], list[str]]] = {
    "default": ([], []),
    "all skips on at inference": ([], ["--inference-skips", "all"]),
    "mask off at inference": ([], ["--no-mask"]),
    "mask off in training and at inference": (["--mask.no-enabled"], []),
    "mask off throughout, all skips on at inference": (
        ["--mask.no-enabled"],
        ["--inference-skips", "all"],
    ),
}
FIGURES = ("image_auroc", "image_ap", "pixel_auroc", "aupro")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    arguments = parser.parse_args()
    rows = {
        name: [_measure(arguments.data, arguments.out, name, seed) for seed in range(arguments.seeds)]
        for name in arguments.variants
    }
    print(_table(rows))


def _measure(data: str, out: Path, variant: str, seed: int) -> dict[str, float]:
    training, inference = VARIANTS[variant]
    run = out / "-".join(["seed", str(seed), *(option.lstrip("-") for option in training)])
    if not (run / "model.safetensors").is_file():
        resume = ["--resume"] if (run / "settings.toml").is_file() else []
        _excision("train", data, "--out", str(run), "--seed", str(seed), *training, *resume)
    result = run / ("evaluation" + "".join(f"-{option.lstrip('-')}" for option in inference))
    if not (result / "evaluation.json").is_file():
        _excision("evaluate", str(run), data, "--out", str(result), *inference)
    figures: dict[str, float] = json.loads((result / "evaluation.json").read_text("utf-8"))
    figures["training_seconds"] = json.loads((run / "training.json").read_text("utf-8"))["seconds"]
    return figures


def _excision(*arguments: str) -> None:
    print("$ excision", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "excision", *arguments], check=True)


def _table(rows: dict[str, list[dict[str, float]]]) -> str:
    lines = [
        "| | " + " | ".join(FIGURES) + " | training (min) |",
        "| --- |" + " --- |" * (len(FIGURES) + 1),
    ]
    for name, seeds in rows.items():
        cells = [_spread([seed[figure] for seed in seeds]) for figure in FIGURES]
        minutes = mean(seed["training_seconds"] for seed in seeds) / 60
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {minutes:.1f} |")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    """Give mean and standard deviation over the seeds."""
    return f"{mean(values):.3f} ± {stdev(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


if __name__ == "__main__":
    main()
