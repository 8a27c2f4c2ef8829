"""Whether a warm start costs detection: training on from a model's networks, or from nothing.

    python experiments/warm_start.py DATA RUN OUT [--arm warm|nothing] [--steps N] [--tuning N] [--rate R]

A model (the run folder RUN, trained on DATA with default settings) goes to work. Half of the groups of the
test images then pass the station and are labelled: their good images join the training, and their defective
ones are known defects. The other half of the groups judges. Each arm is one call, which adds a line of JSON
to `OUT/warm_start.jsonl`: seconds (also of the processor alone), image AUROC and average precision, the share
of defects found and of false alarms at its own threshold, and the same of the model before ("before").
`python experiments/warm_start.py --table OUT` prints the lines as a table, with the means over the seeds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from excision.data import Dataset, Sample, load_dataset
from excision.detector import Detector
from excision.evaluation.metrics import average_precision, image_auroc
from excision.settings import Settings

RESULTS = "warm_start.jsonl"


def after_labels(dataset: Dataset) -> tuple[Dataset, list[tuple[Path, Any]], list[Sample]]:
    """Give the data of the next training, its known defects with their masks, and the images that judge."""
    groups = sorted(
        {sample.group for sample in dataset.test}, key=lambda name: hashlib.sha256(name.encode()).digest()
    )
    labelled = {group for kind in _kinds(dataset, groups) for group in kind[::2]}
    seen = [sample for sample in dataset.test if sample.group in labelled]
    judges = [sample for sample in dataset.test if sample.group not in labelled]
    good = [replace(sample, split="train") for sample in seen if not sample.defective]
    samples = sorted([*dataset.train, *good, *judges], key=lambda sample: sample.name)
    known = [(sample.image, None) for sample in seen if sample.defective]
    return replace(dataset, samples=tuple(samples)), known, judges


def _kinds(dataset: Dataset, groups: list[str]) -> list[list[str]]:
    defective = {sample.group for sample in dataset.test if sample.defective}
    return [[each for each in groups if (each in defective) == kind] for kind in (True, False)]


def train(run: Path, data: Path, arm: str, steps: int, tuning: int, rate: float) -> dict[str, Any]:
    """Train one arm and measure it."""
    dataset, known, judges = after_labels(load_dataset(data))
    settings = Settings.load(run / "settings.toml", warn_of_old_names=False)
    own = Detector.load(run)
    more: dict[str, Any] = {}
    if arm == "warm":
        settings = replace(
            settings.settled(own.image_format),
            attention=replace(settings.attention, tuning=tuning),
            training=replace(settings.training, steps=steps, learning_rate=rate),
        )
        more = {"warm_start": run}
    champion = figures(own, judges) if arm == "warm" else None
    with tempfile.TemporaryDirectory() as scratch:
        start, own_start = time.perf_counter(), time.process_time()
        detector = Detector(settings).fit(dataset, Path(scratch) / "run", defects=known, **more)
        seconds, cpu = time.perf_counter() - start, time.process_time() - own_start
    return {"seconds": seconds, "cpu_seconds": cpu, **figures(detector, judges), "before": champion}


def figures(detector: Detector, judges: list[Sample]) -> dict[str, float]:
    """Measure a detector on images that took no part."""
    scores = np.array([detector.inspect(sample.image).score for sample in judges])
    defective = np.array([sample.defective for sample in judges])
    above = scores > detector.threshold
    return {
        "auroc": float(image_auroc(defective, scores)),
        "ap": float(average_precision(defective, scores)),
        "found": float(above[defective].mean()),
        "false_alarms": float(above[~defective].mean()),
        "promised": detector.calibration.promised_rate,
        "good": int((~defective).sum()),
        "defective": int(defective.sum()),
    }


def table(out: Path) -> str:
    """Write the lines as a table, with means over the seeds."""
    lines = [json.loads(line) for line in (out / RESULTS).read_text("utf-8").splitlines()]
    rows = [
        "| set | arm | seeds | processor seconds | AUROC | AP | found | false alarms |",
        "|" + " --- |" * 8,
    ]
    for name, arm in sorted({(line["set"], line["arm"]) for line in lines}):
        mine = [line for line in lines if (line["set"], line["arm"]) == (name, arm)]
        shown = [mean(line[key] for line in mine) for key in ("auroc", "ap", "found", "false_alarms")]
        cells = [name, arm, str(len(mine)), f"{mean(line['cpu_seconds'] for line in mine):.0f}"]
        cells += [f"{shown[0]:.3f}", f"{shown[1]:.3f}", f"{shown[2]:.0%}", f"{shown[3]:.1%}"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    """Run one arm, or print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--arm", choices=("warm", "nothing"), default="warm")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--tuning", type=int, default=600)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    if given.table is not None:
        print(table(given.table))
        return
    found = train(given.run, given.data, given.arm, given.steps, given.tuning, given.rate)
    arm = given.arm if given.arm == "nothing" else f"warm {given.steps}/{given.tuning}/{given.rate:g}"
    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / RESULTS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"set": given.data.name, "run": given.run.name, "arm": arm, **found}) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
