"""Measure whether calibrations keep the false-alarm rate that they promise, and what that costs in detection.

    python experiments/false_alarms.py fixed KolektorSDD MagneticTile elpv-dataset --out runs/false_alarms
    python experiments/false_alarms.py whole KolektorSDD MagneticTile elpv-dataset --out runs/false_alarms
    python experiments/false_alarms.py table --out runs/false_alarms

A data set is read in any layout. Its good images are divided in whole groups; its own split is ignored.

"fixed" trains one network on a part of the groups (`--share`), and draws 200 calibrations of each size from
the groups that the network has not seen: networks and images stay, only the calibration changes. `--run`
takes the network of a finished run instead, and every good image that it was not trained on.
Groups are drawn in two ways: at random, and in a row, in the order of names, as a plant calibrates on the
parts of one morning. Where neighbours resemble each other although they count as independent, only the second
way shows it.

"whole" is what a user does, from the start, again and again: train and calibrate on a random half of the
groups, and inspect the other half. `--steps`, `--tuning` and `--size` shorten that.

Both judge each threshold on all other good images. A calibration breaks its promise if the rate observed on
them is above it. As these images are finite in number, a promise that is kept with 90 % confidence is
observed to be broken a little more often than one time in ten: "expected" is that share for independent
images. "Proven" counts those that a binomial test at 5 % refuses as well.

Every score and every calibration is stored as soon as it is known. Interrupted, the script goes on where it
was. `--quick` takes a minute or two: few steps, few calibrations.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from calibration_draws import Scores, Verdict, draw_calibrations, intraclass, judge, neighbours
from false_alarms_table import print_tables
from stored_scores import choose_defects, gather, score_images

from excision import Dataset, Detector, Settings, load_dataset
from excision.data.groups import GroupRule, find_groups
from excision.data.splits import choose_groups
from excision.method.calibration import calibrate
from excision.method.run_folder import FINGERPRINT, read_json
from excision.system.files import write_json

SIZES = (20, 40, 80, 160, 320, 640)
LEAST_OTHERS = 0.4
"""Share of the good images that must be left to judge a calibration."""
QUICK_STEPS = 20
DRAWS = {"fixed": 200, "whole": 20, "table": 0}


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        out: folder of all results.
        rates: wanted false-alarm rates.
        confidence: wanted confidence.
        draws: calibrations of each size, or trainings.
        share: share of the good images that "fixed" trains on.
        settings: of training.
        run: finished run that "fixed" uses instead of training.
        defects: most defective images to inspect; None inspects all.
        groups: rule for the groups; None takes those of the data set, or finds them.
    """

    out: Path
    rates: tuple[float, ...]
    confidence: float
    draws: int
    share: float
    settings: Settings
    run: Path | None
    defects: int | None
    groups: GroupRule | None

    def name(self, data: str) -> str:
        """Name a data set in the results, with the rule for its groups."""
        name = Path(data).resolve().name
        return name if self.groups is None else f"{name} by {re.sub(r'[^0-9a-z]+', '-', self.groups.text)}"


def main() -> None:
    arguments = _arguments()
    plan = _plan(arguments)
    for data in arguments.data:
        {"fixed": measure_fixed, "whole": measure_whole}[arguments.form](data, plan)
    print_tables(plan.out)


def measure_fixed(data: str, plan: Plan) -> None:
    """Draw calibrations of several sizes for one network."""
    dataset, folder = load(data, plan), plan.out / plan.name(data) / "fixed"
    run = plan.run or folder / "run"
    if plan.run is None:
        Detector(plan.settings).fit(trained_on(dataset, plan.share, seed=0), run, resume=True)
    known = set(read_json(run / FINGERPRINT)["training"])
    unseen = [sample for sample in dataset.samples if sample.name not in known]
    scores = gather(score_images(run, unseen, folder / "scores.csv"), unseen)
    sizes = [size for size in SIZES if size <= len(scores.good) * (1 - LEAST_OTHERS)]
    for rate, count, drawn in product(plan.rates, sizes, ("at random", "in a row")):
        cell = folder / f"rate-{rate:g}-images-{count}-{drawn.replace(' ', '-')}.json"
        if not cell.is_file():
            in_a_row = drawn == "in a row"
            verdicts = draw_calibrations(scores, count, plan.draws, rate, plan.confidence, in_a_row=in_a_row)
            what = {"form": f"fixed, groups {drawn}", "data": plan.name(data), "rate": rate}
            _store(cell, plan, what, scores, verdicts)


def measure_whole(data: str, plan: Plan) -> None:
    """Train and calibrate on random halves of the good images, and inspect the other halves."""
    dataset, folder = load(data, plan), plan.out / plan.name(data) / "whole"
    for seed in range(plan.draws):
        run = folder / f"seed-{seed}"
        cells = {rate: run / f"rate-{rate:g}.json" for rate in plan.rates}
        if all(cell.is_file() for cell in cells.values()):
            continue
        part = trained_on(dataset, 0.5, seed)
        settings = replace(plan.settings, training=replace(plan.settings.training, seed=seed))
        kept = Detector(settings).fit(part, run / "run", resume=True).calibration
        scores = gather(score_images(run / "run", part.test, run / "scores.csv"), part.test)
        for rate, cell in cells.items():
            calibration = calibrate(kept.scores, rate, confidence=plan.confidence, groups=kept.groups)
            verdict = judge(calibration, scores.good, scores.defects)
            _store(cell, plan, {"form": "whole", "data": plan.name(data), "rate": rate}, scores, [verdict])


def load(data: str, plan: Plan) -> Dataset:
    """Read a data set; each good image has the group that training would find for it."""
    dataset = load_dataset(data)
    good = [sample for sample in dataset.samples if not sample.defective]
    if plan.groups is not None or all(sample.group == sample.name for sample in good):
        grouping = find_groups({sample.name: sample.image for sample in good}, plan.groups)
        print(f"{data}: {grouping.count} groups; {grouping.basis}", flush=True)
        good = [replace(sample, group=grouping.of[sample.name]) for sample in good]
    defective = [sample for sample in dataset.samples if sample.defective]
    return replace(dataset, samples=tuple(choose_defects([*good, *defective], plan.defects)))


def trained_on(dataset: Dataset, share: float, seed: int) -> Dataset:
    """Give the data set another split: a share of the good images, in whole groups, is for training."""
    chosen = choose_groups((s.group for s in dataset.samples if not s.defective), share, seed + 1000)
    samples = (
        replace(s, split="train" if not s.defective and s.group in chosen else "test")
        for s in dataset.samples
    )
    return replace(dataset, samples=tuple(samples))


def _store(
    cell: Path, plan: Plan, what: dict[str, object], scores: Scores, verdicts: Sequence[Verdict]
) -> None:
    found = {"intraclass": intraclass(scores), "neighbours": neighbours(scores)}
    facts = {
        **what,
        "confidence": plan.confidence,
        "steps": plan.settings.training.steps,
        "good": len(scores.good),
        "groups": len(set(scores.groups.tolist())),
        "defects": len(scores.defects),
        **{name: None if math.isnan(value) else value for name, value in found.items()},
    }
    write_json(cell, {**facts, "verdicts": [verdict.to_json() for verdict in verdicts]})
    print(f"{cell}: {sum(v.broken for v in verdicts)} of {len(verdicts)} promises broken", flush=True)


def _plan(arguments: argparse.Namespace) -> Plan:
    settings = Settings()
    quick = QUICK_STEPS if arguments.quick else None
    tuning = quick or arguments.tuning or settings.attention.tuning
    steps = quick or arguments.steps or settings.training.steps
    settings = replace(
        settings,
        attention=replace(settings.attention, tuning=tuning),
        training=replace(settings.training, steps=steps),
        image=replace(settings.image, size=arguments.size and tuple(arguments.size)),
    )
    rates = tuple(arguments.rates or (settings.calibration.false_alarm_rate, 0.05))
    return Plan(
        arguments.out,
        rates,
        arguments.confidence,
        2 if arguments.quick else arguments.draws or DRAWS[arguments.form],
        arguments.share,
        settings,
        arguments.run,
        arguments.defects,
        None if arguments.groups is None else GroupRule.parse(arguments.groups),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("form", choices=["fixed", "whole", "table"])
    parser.add_argument("data", nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="finished run to use in the form fixed, of one data set")
    parser.add_argument("--draws", type=int, help="calibrations of each size (200), or trainings (20)")
    parser.add_argument("--rates", type=float, nargs="+", help="wanted false-alarm rates (0.01 0.05)")
    parser.add_argument("--confidence", type=float, default=0.9)
    parser.add_argument("--share", type=float, default=0.3, help="of the good images to train on, for fixed")
    parser.add_argument("--steps", type=int, help="training steps; by default those of `excision train`")
    parser.add_argument("--tuning", type=int, help="most steps that tune the attention, likewise")
    parser.add_argument("--size", type=int, nargs=2, help="height and width of the working image")
    parser.add_argument("--defects", type=int, help="most defective images to inspect, drawn at random")
    parser.add_argument("--groups", help="rule for the groups, as excision train takes it")
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
