"""What defects among the good training images cost, and what leaving out the suspects saves.

Mixes real defects into the good training images of a data set, trains with them and again without the
suspects, as `--drop-suspects` does, and measures both on the test images that are left: how many of the
mixed-in defects were named, how many good images were named, image AUROC, detection rate and false-alarm
rate. Each share gives one line of JSON; a finished one is not repeated.

    python experiments/suspects.py KolektorSDD/ --out suspects_kolektor
    python experiments/suspects.py MagneticTile/ --out suspects_magnetictile --shares 0.03 --steps 300
"""

from __future__ import annotations

import argparse
import json
import random
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from excision import Detector, Settings, load_dataset
from excision.data import Dataset, Sample
from excision.errors import FewImagesWarning
from excision.evaluation.evaluate import measure
from excision.method.suspects import Suspect

RESULTS = "results.jsonl"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.01, 0.03, 0.10])
    parser.add_argument(
        "--steps", type=int, default=1000, help="training steps; tuning takes three times as many"
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    dataset = load_dataset(given.data)
    settings = Settings()
    settings = replace(
        settings,
        training=replace(settings.training, steps=given.steps, seed=given.seed),
        attention=replace(settings.attention, tuning=3 * given.steps),
    )
    for share in given.shares:
        study(dataset, settings, share, given.out)
    print(table(given.out))


def study(dataset: Dataset, settings: Settings, share: float, out: Path) -> None:
    """Train with a share of defects among the good images, and again without the suspects."""
    if any(row["share"] == share for row in rows(out)):
        return
    mixed, hidden = with_defects(dataset, share, settings.training.seed)
    detector = Detector(settings, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewImagesWarning)
        detector.fit(mixed)
        suspects = [suspect for suspect, _ in detector.suspects(mixed)]
        kept = figures(detector, mixed, suspects, hidden)
        detector.fit(mixed.without(suspect.name for suspect in suspects))
    left_out = figures(detector, mixed, suspects, hidden)
    row = {"share": share, "good": len(mixed.train) - len(hidden), "kept": kept, "left_out": left_out}
    with (out / RESULTS).open("a") as stream:
        stream.write(json.dumps(row) + "\n")


def with_defects(dataset: Dataset, share: float, seed: int) -> tuple[Dataset, set[str]]:
    """Label a share of defects, as a fraction of the good training images, as good ones of the training."""
    defects = sorted((s for s in dataset.test if s.defective), key=lambda sample: sample.name)
    count = round(share * len(dataset.train))
    hidden = {sample.name for sample in random.Random(seed).sample(defects, count)}
    samples = tuple(_as_good(s) if s.name in hidden else s for s in dataset.samples)
    return replace(dataset, samples=samples), hidden


def _as_good(sample: Sample) -> Sample:
    return replace(sample, split="train", label="good", mask=None)


def figures(
    detector: Detector, dataset: Dataset, suspects: Sequence[Suspect], hidden: set[str]
) -> dict[str, float | int | None]:
    """Measure a detector on the test images, and the suspects against what was mixed in."""
    found = measure(detector, dataset)
    named = {suspect.name for suspect in suspects}
    return {
        "hidden": len(hidden),
        "hidden_named": len(named & hidden),
        "good_named": len(named - hidden),
        "image_auroc": found.image_auroc,
        "detection_rate": found.detection_rate,
        "false_alarm_rate": found.false_alarm_rate,
        "promised_rate": detector.calibration.promised_rate,
    }


def rows(out: Path) -> list[dict[str, object]]:
    """Read the finished studies."""
    path = out / RESULTS
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def table(out: Path) -> str:
    """Format the studies as a Markdown table."""
    lines = [
        "| defects among the good | named | good images named | image AUROC, suspects kept / left out "
        "| defects found | false alarms |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows(out):
        kept, left = row["kept"], row["left_out"]
        assert isinstance(kept, dict) and isinstance(left, dict) and isinstance(row["share"], float)
        pairs = [
            f"{kept[name]:.3f} / {left[name]:.3f}"
            for name in ("image_auroc", "detection_rate", "false_alarm_rate")
        ]
        lines.append(
            f"| {row['share']:.0%} ({kept['hidden']}) | {kept['hidden_named']} of {kept['hidden']} "
            f"| {kept['good_named']} of {row['good']} | " + " | ".join(pairs) + " |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
