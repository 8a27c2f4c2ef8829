"""What known defects give: figures on kinds that are among them and on a kind that is not.

    python experiments/known_defects.py score DATA RUN OUT --known 10 [--without KIND] [--seed 1] [--unmarked]
    python experiments/known_defects.py table OUT

`score` takes a finished run, tunes its attention again from the pre-trained one with so many known defects as
`excision train --defects` does, keeps the recovery network of the run, learns the normal statistics again and
writes the score of each test image to a JSON file in the folder OUT. With `--known 0` the attention is that
of the run. The known defects are taken from the test images, which leave the test: half of the groups of
each kind may be known, in turn from each kind, and the other half is always judged. `--without` leaves a kind
out of the known ones; all of its images are judged as unseen. `--unmarked` withholds the masks.

`table` prints image AUROC and AP on known and on unseen kinds, with the same judged images in each row: the
mean over the kinds that were left out and over the seeds, and the standard deviation of the difference to
no known defect.
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
from excision.method.attention.tuning.training import tune_attention
from excision.method.normal_images import NormalImages
from excision.method.normal_statistics import learn_normal
from excision.system.files import write_json
from excision.training.known_defects import KnownDefects, KnownImage
from excision.training.training_set import TrainingSet, prepare

MOST = 10**6


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


def tuned(detector: Detector, data: TrainingSet, seed: int) -> None:
    """Tune the attention of a detector again, from the shipped one, as a training does."""
    pipeline, settings = detector.pipeline, detector.pipeline.settings
    assert settings.attention.variant != "dino"
    fresh = Attention.pretrained(settings.attention.variant)
    settings = replace(settings, training=replace(settings.training, seed=seed))
    tune_attention(fresh, data, settings, None, lambda *_: None)
    pipeline.attention.network.load_state_dict(fresh.network.state_dict())


def score(options: argparse.Namespace) -> None:
    """Score the test images by one detector."""
    torch.set_num_threads(1)
    start = time.time()
    dataset, detector = load_dataset(options.data), Detector.load(options.run, device="cpu")
    parts = divide([sample for sample in dataset.test if sample.defective], 0)
    known = [sample for sample in parts.pool if sample.label != options.without][: options.known]
    settings = detector.pipeline.settings
    data = prepare(dataset, settings)
    if known:
        images = [KnownImage(s.name, s.image, None if options.unmarked else s.mask) for s in known]
        data = replace(data, known=KnownDefects(images, detector.image_format))
        tuned(detector, data, settings.training.seed if options.seed is None else options.seed)
    learn_normal(detector.pipeline, NormalImages.of(data, detector.device))
    names = {sample.name for sample in known}
    tested = [sample for sample in dataset.test if sample.name not in names]
    scores = {}
    for sample, found in zip(tested, detector.predict([s.image for s in tested]), strict=True):
        scores[sample.name] = [sample.label, found.score, float(found.attention.max())]
    facts: dict[str, Any] = {
        "set": Path(options.data).name,
        "run": Path(options.run).name,
        "known": len(known),
        "asked": options.known,
        "without": options.without,
        "unmarked": options.unmarked,
        "pool": [sample.name for sample in parts.pool],
        "scores": scores,
        "seconds": time.time() - start,
    }
    chosen = "all" if options.known >= MOST else str(options.known)
    how = "_unmarked" if options.unmarked else ""
    Path(options.out).mkdir(parents=True, exist_ok=True)
    write_json(Path(options.out) / f"{facts['run']}_{chosen}_{options.without or 'none'}{how}.json", facts)


class Figures(NamedTuple):
    """Image AUROC and AP."""

    auroc: float
    precision: float


def figures(cell: dict[str, Any], pool: set[str], unseen: str | None, *, known: bool, at: int) -> Figures:
    """Give the figures on judged images of known kinds, or on those of the kind that is unseen."""
    good = [row[at] for row in cell["scores"].values() if row[0] == GOOD]
    bad = [
        row[at]
        for name, row in cell["scores"].items()
        if row[0] != GOOD and (row[0] != unseen and name not in pool if known else row[0] == unseen)
    ]
    labels = np.array([False] * len(good) + [True] * len(bad))
    scores = np.array(good + bad)
    return Figures(image_auroc(labels, scores), average_precision(labels, scores))


def table(options: argparse.Namespace) -> None:
    """Print the figures of all cells."""
    cells = [json.loads(path.read_text("utf-8")) for path in sorted(Path(options.out).glob("*.json"))]
    at = 2 if options.attention else 1
    base = {cell["run"]: cell for cell in cells if cell["asked"] == 0}
    rows: dict[tuple[str, str, bool], list[tuple[Figures, Figures]]] = defaultdict(list)
    for cell in cells:
        if cell["asked"] == 0:
            continue
        pool, unseen = set(cell["pool"]), cell["without"]
        asked = "all" if cell["asked"] >= MOST else str(cell["asked"])
        for known in (True, False) if unseen else (True,):
            pair = tuple(
                figures(each, pool, unseen, known=known, at=at) for each in (base[cell["run"]], cell)
            )
            how = f"{cell['set']}, {asked}{', image labels' if cell['unmarked'] else ''}"
            rows[how, "known" if known else "unseen", bool(unseen)].append((pair[0], pair[1]))
            if options.each:
                told = " -> ".join(f"{each.auroc:.3f} / {each.precision:.3f}" for each in pair)
                print(f"{cell['run']} {asked} without {unseen}, {'known' if known else unseen}: {told}")
    print("| set, known defects | judged | none | with known defects | difference | cells |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for (how, judged, left_out), pairs in sorted(rows.items()):
        before, after = (
            Figures(mean(p[i].auroc for p in pairs), mean(p[i].precision for p in pairs)) for i in (0, 1)
        )
        gains = [pair[1].auroc - pair[0].auroc for pair in pairs]
        spread = f" ± {stdev(gains):.3f}" if len(gains) > 1 else ""
        kinds = f"{judged} kinds{'' if left_out else ', none left out'}"
        print(
            f"| {how} | {kinds} | {before.auroc:.3f} / {before.precision:.3f} | "
            f"{after.auroc:.3f} / {after.precision:.3f} | {mean(gains):+.3f}{spread} | {len(pairs)} |"
        )


def main(arguments: Sequence[str]) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    scoring = verbs.add_parser("score")
    for name in ("data", "run", "out"):
        scoring.add_argument(name)
    scoring.add_argument("--known", type=lambda text: MOST if text == "all" else int(text), required=True)
    scoring.add_argument("--without")
    scoring.add_argument("--seed", type=int)
    scoring.add_argument("--unmarked", action="store_true")
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
