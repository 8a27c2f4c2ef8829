"""How many pieces of images a step of tuning the attention needs: detection and processor time, in pairs.

    python experiments/tuning_batch.py measure KolektorSDD MagneticTile --pieces 7 4 --out runs/batch
    python experiments/tuning_batch.py table --pieces 7 4 --out runs/batch

"measure" trains on at most `--train` of the good training images, drawn at random, with default settings but
for the size of the batch, and inspects at most `--test` of the test images. Both draws are the same for all
batches and seeds. Each cell is a file in OUT; finished ones are kept, so that several processes can share the
work. "table" compares the two batches: the change of image AUROC, AP and AUPRO from the first to the second,
as mean and sample standard deviation over the seeds, and what each finds at its own threshold.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from few_images import with_few_images, with_few_tests

from excision import Dataset, Detector, load_dataset
from excision.errors import FewGroupsWarning, FewImagesWarning
from excision.evaluation.evaluate import measure
from excision.method.attention.tuning import lessons
from excision.method.run_folder import read_json
from excision.settings import Settings, TrainingSettings
from excision.system.files import write_json

_FIGURES = ("image_auroc", "image_ap", "aupro")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("step", choices=("measure", "table"))
    parser.add_argument("data", nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--pieces", type=int, nargs=2, default=(7, 4), help="pieces of large images in a batch"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    parser.add_argument("--train", type=int, default=150, help="most good images to train on")
    parser.add_argument("--test", type=int, default=240, help="most test images to inspect")
    parser.add_argument("--steps", type=int, help="steps of tuning and of training, instead of the defaults")
    arguments = parser.parse_args()
    if arguments.step == "table":
        print("\n".join(table(arguments.out, *arguments.pieces)))
        return
    warnings.simplefilter("ignore", FewImagesWarning)
    warnings.simplefilter("ignore", FewGroupsWarning)
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for seed in arguments.seeds:
        for data in arguments.data:
            whole = load_dataset(data)
            dataset = with_few_tests(with_few_images(whole, arguments.train, 0), arguments.test)
            for pieces in arguments.pieces:
                file = arguments.out / f"{whole.root.resolve().name}-{seed}-{pieces}.json"
                if not file.is_file():
                    write_json(file, trained(dataset, _settings(seed, arguments.steps), pieces))
                    print(f"{file}: measured", flush=True)


def _settings(seed: int, steps: int | None) -> Settings:
    settings = Settings(training=TrainingSettings(seed=seed))
    if steps is None:
        return settings
    training, attention = replace(settings.training, steps=steps), replace(settings.attention, tuning=steps)
    return replace(settings, training=training, attention=attention)


def trained(dataset: Dataset, settings: Settings, pieces: int) -> dict[str, Any]:
    """Train with so many pieces in a batch, and give the figures of detection and time."""
    lessons.BATCH_PIXELS = pieces * lessons.PIECE_SIDE**2
    start = time.process_time()
    detector = Detector(settings, device="cpu").fit(dataset)
    seconds = time.process_time() - start
    found = measure(detector, dataset)
    return {
        "image_auroc": found.image_auroc,
        "image_ap": found.image_ap,
        "aupro": None if found.pixel is None else found.pixel.aupro,
        "false_alarm_rate": found.false_alarm_rate,
        "detection_rate": found.detection_rate,
        "promised_rate": detector.calibration.promised_rate,
        "processor_time": seconds,
    }


def table(out: Path, before: int, after: int) -> Iterator[str]:
    """Give the rows of a Markdown table, one for each data set that both batches were measured on."""
    yield "| data set | seeds | image AUROC | image AP | AUPRO | false alarms | found | processor time |"
    yield "| --- | --- | --- | --- | --- | --- | --- | ---: |"
    names = sorted({file.stem.rsplit("-", 2)[0] for file in out.glob(f"*-{after}.json")})
    for name in names:
        seeds = sorted(
            int(file.stem.rsplit("-", 2)[1])
            for file in out.glob(f"{name}-*-{after}.json")
            if (out / file.name.replace(f"-{after}.json", f"-{before}.json")).is_file()
        )
        pairs = [
            [read_json(out / f"{name}-{seed}-{pieces}.json") for pieces in (before, after)] for seed in seeds
        ]
        changes = [_change(pairs, figure) for figure in _FIGURES]
        rates = [_both(pairs, figure) for figure in ("false_alarm_rate", "detection_rate")]
        ratio = mean(new["processor_time"] / old["processor_time"] for old, new in pairs)
        cells = [name, ", ".join(map(str, seeds)), *changes, *rates, f"{ratio:.2f}"]
        yield f"| {' | '.join(cells)} |"


def _change(pairs: Sequence[Sequence[dict[str, Any]]], figure: str) -> str:
    changes = [new[figure] - old[figure] for old, new in pairs if old[figure] is not None]
    if not changes:
        return "-"
    first, second = (mean(pair[side][figure] for pair in pairs) for side in (0, 1))
    spread = f" ± {stdev(changes):.3f}" if len(changes) > 1 else ""
    return f"{first:.3f} -> {second:.3f} ({mean(changes):+.3f}{spread})"


def _both(pairs: Sequence[Sequence[dict[str, Any]]], figure: str) -> str:
    """Give a rate of both batches at each seed."""
    return " -> ".join(", ".join(f"{pair[side][figure]:.1%}" for pair in pairs) for side in (0, 1))


if __name__ == "__main__":
    main()
