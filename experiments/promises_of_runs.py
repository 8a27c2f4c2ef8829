"""Measure whether finished runs keep their promises on the good test images, from training to verdict.

    for seed in 0 1 2; do excision train KolektorSDD --seed $seed --out runs/KolektorSDD-$seed; done
    python experiments/promises_of_runs.py KolektorSDD runs/KolektorSDD-? --out runs/promises
    python experiments/promises_of_runs.py --out runs/promises

Each run inspects the test images of its data set. The table compares the rate that its calibration promises
with the rate among the good test images, for the wanted rates of `--rates`: the same calibration scores,
groups and confidence give the threshold of each. Unfit images count neither as false alarms nor as found or
missed defects; unfit good ones are counted apart. The image AUROC takes all.

Every score is stored as soon as it is known. Interrupted, the script goes on where it was. Without data, it
prints the table of what is stored.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stored_scores import choose_defects, inspect_images

from excision import load_dataset
from excision.capability.seen_images import without_seen
from excision.evaluation.metrics import image_auroc
from excision.method.calibration import Calibration
from excision.method.run_folder import load_calibration, read_json
from excision.system.files import write_json

DEFAULT_RATES = (0.01, 0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", nargs="?")
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rates", type=float, nargs="+", default=DEFAULT_RATES, help="wanted rates")
    parser.add_argument("--defects", type=int, help="most defective images to inspect, drawn at random")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for run in arguments.runs:
        measure_run(arguments.data, run, arguments.rates, arguments.out, arguments.defects)
    print("\n".join(table(sorted(arguments.out.glob("*.json")))))


def measure_run(data: str, run: Path, rates: Sequence[float], out: Path, defects: int | None = None) -> None:
    """Inspect the test images of a data set with a run, and store what its calibrations promise and keep."""
    dataset, left_out = without_seen(load_dataset(data), run)
    if left_out:
        print(f"{run}: {left_out}", flush=True)
    samples, kept = choose_defects(dataset.test, defects), load_calibration(run)
    inspected = inspect_images(run, samples, out / f"{run.name}.csv")
    found = [inspected[sample.name] for sample in samples]
    scores = np.array([image.score for image in found])
    defective = np.array([sample.defective for sample in samples])
    fit = ~np.array([image.unfit for image in found])
    facts = {
        "images": len(kept.scores),
        "groups": kept.count_groups,
        "confidence": kept.confidence,
        "image_auroc": image_auroc(defective, scores),
        "unfit_good": int((~fit & ~defective).sum()),
        "unfit_defects": int((~fit & defective).sum()),
        "good": int((~defective).sum()),
    }
    cells = [_cell(kept.for_rate(rate), scores[fit], defective[fit], rate) for rate in rates]
    write_json(out / f"{run.name}.json", {**facts, "rates": cells})


def _cell(
    calibration: Calibration, scores: NDArray[np.float64], defective: NDArray[np.bool_], rate: float
) -> dict[str, float]:
    above = scores > calibration.threshold
    return {
        "wanted": rate,
        "promised": calibration.promised_rate,
        "alarms": int(above[~defective].sum()),
        "good": int((~defective).sum()),
        "found": int(above[defective].sum()),
        "defects": int(defective.sum()),
    }


def table(files: Sequence[Path]) -> Iterator[str]:
    """Give the rows of a Markdown table, one for each run whose name ends in its seed."""
    for number, file in enumerate(files):
        facts = read_json(file)
        if number == 0:
            yield _head(facts)
            yield "| --- |" + " ---: |" * (4 + 3 * len(facts["rates"]))
        name, _, seed = file.stem.rpartition("-")
        cells = [
            name,
            seed,
            f"{facts['images']} / {facts['groups']}",
            f"{facts['image_auroc']:.3f}",
            f"{facts['unfit_good']} of {facts['good']}",
            *(text for cell in facts["rates"] for text in _texts(cell)),
        ]
        yield f"| {' | '.join(cells)} |"


def _head(facts: dict[str, Any]) -> str:
    rates = " | ".join(
        f"{cell['wanted']:.0%} wanted: promised | observed | defects found" for cell in facts["rates"]
    )
    return f"| data set | seed | calibrated on images / groups | image AUROC | unfit good images | {rates} |"


def _texts(cell: dict[str, Any]) -> Iterator[str]:
    broken = cell["alarms"] / max(cell["good"], 1) > cell["promised"] + 1e-9
    observed = f"{cell['alarms'] / max(cell['good'], 1):.1%} ({cell['alarms']} of {cell['good']})"
    yield f"{cell['promised']:.1%}"
    yield f"**{observed}**" if broken else observed
    yield f"{cell['found'] / max(cell['defects'], 1):.0%}"


if __name__ == "__main__":
    main()
