"""What known defects give: figures on kinds that are among them and on a kind that is not.

    python experiments/known_defects.py score DATA RUN OUT --known 0 10 all [--without KIND ...] [--unmarked]
    python experiments/known_defects.py table OUT

`score` takes a finished run, tunes its attention again from the pre-trained one with so many known defects as
`excision train --defects` does, keeps the recovery network of the run, learns the normal statistics again and
writes the score of each test image to a JSON file in the folder OUT. The known defects are taken from the
test images, which leave the test: half of the groups of each kind may be known, in turn from each kind, and
the other half is always judged. `--without` leaves a kind out of the known ones; all of its images are judged
as unseen. `--unmarked` withholds the masks. `--steps` tunes for so many steps, also without known defects;
otherwise `--known 0` is the attention of the run. With `--attention` only the attention is judged, by its
largest value in the image, which spares the recovery and most of the time.

`table` prints image AUROC and AP on known and on unseen kinds, with the same judged images in each row: the
mean over the kinds that were left out and over the runs, and the standard deviation of the differences to no
known defect. `--each` prints each cell, with the loss on drawn defects that no tuning has seen.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import numpy as np
import torch

from excision import Detector, load_dataset
from excision.data import Sample
from excision.data.records import GOOD
from excision.evaluation.metrics import average_precision, image_auroc
from excision.method.attention.model import Attention
from excision.method.attention.pretrain import lesson_loss
from excision.method.attention.tuning.lessons import LessonSource
from excision.method.attention.tuning.training import tune_attention
from excision.method.normal_images import NormalImages
from excision.method.normal_statistics import learn_attention, learn_normal
from excision.ops.memory_format import image_tensor
from excision.system.files import write_json
from excision.training.known_defects import KnownDefects, KnownImage
from excision.training.preparing import prepare
from excision.training.training_set import TrainingSet

MOST = 10**6
_UNSEEN, _BATCHES = 10_007, 20  # seed and number of the batches of drawn defects that no tuning has seen


class Parts(NamedTuple):
    """Defective test images: those that may be known, in the order they are taken, and the others."""

    pool: list[Sample]
    judged: list[Sample]


def divide(samples: Sequence[Sample], seed: int) -> Parts:
    """Divide the groups of each kind in two halves; known ones are taken from each kind in turn."""
    rng = np.random.default_rng(seed)
    queues, judged = [], []
    for kind in sorted({sample.label for sample in samples}):
        of_kind = [sample for sample in samples if sample.label == kind]
        groups = sorted({sample.group for sample in of_kind})
        order = [groups[place] for place in rng.permutation(len(groups))]
        chosen = order[: len(order) // 2]
        queues.append([sample for group in chosen for sample in of_kind if sample.group == group])
        judged += [sample for sample in of_kind if sample.group not in chosen]
    taken = [sample for turn in zip_longest(*queues) for sample in turn if sample is not None]
    return Parts(taken, judged)


def tuned(detector: Detector, data: TrainingSet, steps: int | None) -> None:
    """Tune the attention of a detector again, from the shipped one, as a training does."""
    pipeline, settings = detector.pipeline, detector.pipeline.settings
    assert settings.attention.variant != "dino"
    fresh = Attention.pretrained(settings.attention.variant)
    if steps is not None:
        settings = replace(settings, attention=replace(settings.attention, tuning=steps))
    tune_attention(fresh, data, settings, None, lambda *_: None)
    pipeline.attention.network.load_state_dict(fresh.network.state_dict())


def score(options: argparse.Namespace) -> None:
    """Score the test images for each number of known defects and each kind that is left out."""
    torch.set_num_threads(1)
    dataset, detector = load_dataset(options.data), Detector.load(options.run, device="cpu")
    parts = divide([sample for sample in dataset.test if sample.defective], 0)
    data = prepare(dataset, detector.pipeline.settings)
    start = detector.pipeline.attention.network.state_dict()
    start = {name: value.clone() for name, value in start.items()}
    for asked in options.known:
        for without in (options.without or [None]) if asked else [None]:
            begun = time.process_time()
            detector.pipeline.attention.network.load_state_dict(start)
            known = [sample for sample in parts.pool if sample.label != without][:asked]
            learn(detector, data, known, options)
            names = {sample.name for sample in known}
            tested = [sample for sample in dataset.test if sample.name not in names]
            facts = {
                "set": Path(options.data).name,
                "run": Path(options.run).name,
                "asked": asked,
                "known": len(known),
                "without": without,
                "unmarked": options.unmarked,
                "steps": options.steps,
                "attention": options.attention,
                "pool": [sample.name for sample in parts.pool],
                "drawn": drawn_loss(detector, data),
                "scores": inspected(detector, tested, attention=options.attention),
                "seconds": time.process_time() - begun,
            }
            Path(options.out).mkdir(parents=True, exist_ok=True)
            name = f"{facts['run']}_{count_of(asked)}_{without}{'_unmarked' * options.unmarked}"
            write_json(
                Path(options.out) / f"{name}_{options.steps}{'_attention' * options.attention}.json", facts
            )


def count_of(asked: int) -> str:
    """Name a number of known defects."""
    return "all" if asked >= MOST else str(asked)


def learn(
    detector: Detector, data: TrainingSet, known: Sequence[Sample], options: argparse.Namespace
) -> None:
    """Tune the attention, unless that of the run is wanted, and learn the normal statistics."""
    if known:
        images = [KnownImage(s.name, s.image, None if options.unmarked else s.mask) for s in known]
        data = replace(data, known=KnownDefects(images, detector.image_format))
    if known or options.steps is not None:
        tuned(detector, data, options.steps)
    normal = NormalImages.of(data, detector.device)
    learn_attention(detector.pipeline, normal) if options.attention else learn_normal(
        detector.pipeline, normal
    )


@torch.no_grad()
def drawn_loss(detector: Detector, data: TrainingSet) -> float:
    """Give the loss on drawn defects that no tuning has seen: it rises if other kinds are given up."""
    source = LessonSource(len(data.training), data.read, data.image_format.size, _UNSEEN, replay=0)
    network = detector.pipeline.attention.network
    return mean(lesson_loss(network, source.batch(step)).item() for step in range(_BATCHES))


def inspected(
    detector: Detector, samples: Sequence[Sample], *, attention: bool
) -> dict[str, tuple[str, float]]:
    """Give label and score of each image by its name; with `attention` the largest attention of its cells."""
    paths = [sample.image for sample in samples]
    if attention:
        read = (image_tensor(detector.image_format.read(path), detector.device) for path in paths)
        scores = [float(detector.pipeline.cells(image).max()) for image in read]
    else:
        scores = [found.score for found in detector.predict(paths)]
    return {sample.name: (sample.label, score) for sample, score in zip(samples, scores, strict=True)}


class Figures(NamedTuple):
    """Image AUROC and AP."""

    auroc: float
    precision: float


def figures(cell: dict[str, Any], pool: set[str], unseen: str | None, *, known: bool) -> Figures:
    """Give the figures on judged images of known kinds, or on those of the kind that is unseen."""
    good = [row[1] for row in cell["scores"].values() if row[0] == GOOD]
    bad = [
        row[1]
        for name, row in cell["scores"].items()
        if row[0] != GOOD and (row[0] != unseen and name not in pool if known else row[0] == unseen)
    ]
    labels = np.array([False] * len(good) + [True] * len(bad))
    scores = np.array(good + bad)
    return Figures(image_auroc(labels, scores), average_precision(labels, scores))


def table(options: argparse.Namespace) -> None:
    """Print the figures of all cells."""
    cells = [json.loads(path.read_text("utf-8")) for path in sorted(Path(options.out).glob("*.json"))]
    base = {same(cell): cell for cell in cells if cell["asked"] == 0}
    rows: dict[tuple[str, ...], list[tuple[Figures, Figures]]] = defaultdict(list)
    for cell in cells:
        if cell["asked"] == 0 or same(cell) not in base:
            continue
        pool, unseen = set(cell["pool"]), cell["without"]
        steps = "" if cell["steps"] is None else f", {cell['steps']} steps"
        what = f"{cell['set']}, {'attention' if cell['attention'] else 'score'}{steps}"
        how = f"{count_of(cell['asked'])}{', image labels' * cell['unmarked']}"
        for known in (True, False) if unseen else (True,):
            before, after = (figures(each, pool, unseen, known=known) for each in (base[same(cell)], cell))
            kinds = ("known" if known else "unseen") + ("" if unseen else ", none left out")
            rows[what, how, kinds].append((before, after))
            if options.each:
                told = " -> ".join(f"{each.auroc:.3f} / {each.precision:.3f}" for each in (before, after))
                drawn = f"{base[same(cell)]['drawn']:.3f} -> {cell['drawn']:.3f}"
                print(f"{what}: {cell['run']} {how} without {unseen}, {kinds}: {told}; drawn {drawn}")
    print("| set | known defects | judged kinds | none | with them | difference | cells |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for (what, how, kinds), pairs in sorted(rows.items()):
        both = (
            f"{mean(p[i].auroc for p in pairs):.3f} / {mean(p[i].precision for p in pairs):.3f}"
            for i in (0, 1)
        )
        gains = [pair[1].auroc - pair[0].auroc for pair in pairs]
        spread = f" ± {stdev(gains):.3f}" if len(gains) > 1 else ""
        print(
            f"| {what} | {how} | {kinds} | {' | '.join(both)} | {mean(gains):+.3f}{spread} | {len(pairs)} |"
        )


def same(cell: dict[str, Any]) -> tuple[Any, ...]:
    """Give what a cell has in common with the one without known defects that it is compared with."""
    return cell["run"], cell["steps"], cell["attention"]


def how_many(text: str) -> int:
    """Read a number of known defects."""
    return MOST if text == "all" else int(text)


def main(arguments: Sequence[str]) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    scoring = verbs.add_parser("score")
    for name in ("data", "run", "out"):
        scoring.add_argument(name)
    scoring.add_argument("--known", type=how_many, nargs="+", required=True)
    scoring.add_argument("--without", nargs="+")
    scoring.add_argument("--steps", type=int)
    scoring.add_argument("--unmarked", action="store_true")
    scoring.add_argument("--attention", action="store_true")
    scoring.set_defaults(verb=score)
    printing = verbs.add_parser("table")
    printing.add_argument("out")
    printing.add_argument(
        "--attention", action="store_true", help="the largest attention in place of the score"
    )
    printing.add_argument("--each", action="store_true", help="also print each cell")
    printing.set_defaults(verb=table)
    options = parser.parse_args(arguments)
    options.verb(options)


if __name__ == "__main__":
    main(sys.argv[1:])
