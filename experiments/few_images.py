"""Train on few good images, and measure what is found with and without the features of a network.

    python experiments/few_images.py train KolektorSDD --out runs/few
    python experiments/few_images.py measure KolektorSDD --out runs/few
    python experiments/few_images.py table --out runs/few

"train" draws 5, 10, 20 and 50 of the good training images at random, each draw a part of the next, and
trains a model on each with default settings. "measure" learns the normal statistics of each model again from
the same images, once for each choice of `--features`, and inspects at most `--test` test images, drawn at
random and the same for all models. "table" prints image AUROC and AP, the promised and the observed
false-alarm rate for 5 % wanted, and the share of defects that are found. "all" does all three. Finished
trainings and measurements are kept; an interrupted training goes on where it was. Unfit images count as
neither false alarms nor found or missed defects.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from excision import Dataset, Detector, load_dataset
from excision.benchmark.rates import name_of, rates_of
from excision.errors import FewGroupsWarning, FewImagesWarning
from excision.evaluation.evaluate import measure
from excision.method.run_folder import read_json
from excision.method.run_start import recorded_groups
from excision.settings import Settings, TrainingSettings
from excision.system.files import write_json

COUNTS = (5, 10, 20, 50)
FEATURES = ("edges", "efficientnet-lite0")
TEST = 200

_WANTED = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("step", choices=("train", "measure", "table", "all"))
    parser.add_argument("data", nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of good images")
    parser.add_argument("--features", nargs="+", default=FEATURES)
    parser.add_argument("--test", type=int, default=TEST, help="most test images to inspect")
    parser.add_argument("--seed", type=int, default=0, help="of the draw and of the training")
    parser.add_argument("--steps", type=int, help="training steps instead of the default")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FewImagesWarning)
    warnings.simplefilter("ignore", FewGroupsWarning)
    torch.set_num_threads(1)
    for data in arguments.data:
        dataset = load_dataset(data)
        for count in arguments.counts:
            few = with_few_images(dataset, count, arguments.seed)
            name = data if not Path(data).exists() else dataset.root.resolve().name
            run = arguments.out / f"{name}-{count}"
            if arguments.step in ("train", "all"):
                train(few, run, arguments.seed, arguments.steps)
            if arguments.step in ("measure", "all"):
                measure_run(with_few_tests(few, arguments.test), run, arguments.features)
    if arguments.step in ("table", "all"):
        print("\n".join(table(sorted(arguments.out.glob("*.json"), key=_set_and_count))))


def with_few_images(dataset: Dataset, count: int, seed: int) -> Dataset:
    """Keep `count` of the good training images, drawn at random; a smaller draw is a part of a larger one."""
    order = np.random.default_rng(seed).permutation(len(dataset.train))
    chosen = {dataset.train[number].name for number in order[:count]}
    kept = (s for s in dataset.samples if s.split == "test" or s.name in chosen)
    return replace(dataset, samples=tuple(kept))


def with_few_tests(dataset: Dataset, most: int) -> Dataset:
    """Keep at most `most` of the test images, drawn at random; the same for each model."""
    order = np.random.default_rng(0).permutation(len(dataset.test))
    chosen = {dataset.test[number].name for number in order[:most]}
    kept = (s for s in dataset.samples if s.split != "test" or s.name in chosen)
    return replace(dataset, samples=tuple(kept))


def train(few: Dataset, run: Path, seed: int, steps: int | None) -> None:
    """Train on the good images of a data set, unless the run is finished."""
    settings = Settings(training=TrainingSettings(seed=seed))
    if steps is not None:
        settings = replace(
            settings,
            training=replace(settings.training, steps=steps),
            attention=replace(settings.attention, tuning=steps),
        )
    Detector(settings, device="cpu").fit(few, run=run, resume=True)
    print(f"{run}: trained", flush=True)


def measure_run(few: Dataset, run: Path, choices: Sequence[str]) -> None:
    """Learn what is normal again for each choice of features, and store figures beside the run."""
    file = run.with_suffix(".json")
    found: dict[str, Any] = read_json(file) if file.is_file() else {}
    for features in choices:
        if features in found:
            continue
        detector = Detector.load(run, device="cpu").with_features(features)
        detector.recalibrate(few, groups=recorded_groups(run))
        evaluation = measure(detector, few)
        scorer = detector.pipeline.scorer
        found[features] = {
            "images": len(few.train),
            "calibrated_on": len(detector.calibration.scores),
            "groups": detector.calibration.count_groups,
            "tested": len(evaluation.images),
            "image_auroc": evaluation.image_auroc,
            "image_ap": evaluation.image_ap,
            "unfit_good": evaluation.n_unfit_normal,
            "aligned": scorer.alignment is not None,
            "distances": len(scorer.distances),
            **rates_of(detector.calibration, evaluation),
        }
        write_json(file, found)
        print(f"{run}: {features} measured", flush=True)


def table(files: Sequence[Path]) -> Iterator[str]:
    """Give the rows of a Markdown table, one for each model and choice of features."""
    yield "| data set | good images | features | image AUROC / AP | promised | false alarms | defects found |"
    yield "| --- | ---: | --- | --- | ---: | ---: | ---: |"
    for file in files:
        for features, found in read_json(file).items():
            promised, alarms, defects = (
                found[name_of(figure, _WANTED)]
                for figure in ("promised_rate", "false_alarm_rate", "detection_rate")
            )
            quality = f"{found['image_auroc']:.3f} / {found['image_ap']:.3f}"
            rates = f"{promised:.0%} | {alarms:.1%} | {defects:.0%}"
            yield f"| {_set_and_count(file)[0]} | {found['images']} | {features} | {quality} | {rates} |"


def _set_and_count(file: Path) -> tuple[str, int]:
    name, _, count = file.stem.rpartition("-")
    return name, int(count)


if __name__ == "__main__":
    main()
