"""Compares two fleets: which models got worse, by more than noise explains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from excision.errors import ExcisionError
from excision.evaluation.paired import (
    PairedAuroc,
    average_precision_change,
    holm,
    paired_auroc,
    rises_and_falls,
    sign_above,
)
from excision.fleet.measuring import TestScore, read_scores
from excision.fleet.record import Record
from excision.method.calibration.words import at_most, counted, percent

LEVEL = 0.05
"""Chance that noise alone calls any model of a comparison worse."""

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Answer = Literal["worse", "better", "no difference shown", "not compared", "added", "removed"]


@dataclass(frozen=True, slots=True)
class Test:
    """A test of one figure of a model.

    Attributes:
        name: of the figure.
        worse: p-value of "it got no worse".
        better: p-value of "it got no better".
        words: what was measured.
    """

    name: str
    worse: float
    better: float
    words: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A model in two fleets.

    Attributes:
        name: of the model.
        answer: the result.
        reasons: why, in sentences.
        images: test images that both have scored.
        groups: groups of these.
        auroc: image AUROC in both; None if there are no defective or no good images.
        ap: change of the image average precision with its 95 % bootstrap interval; likewise.
        shift: median and quartiles of the change of good images' scores, in thresholds; None without any.
        verdicts: images whose verdict changed, by label kind ("good", "defective"), old and new verdict.
        promises: promised false-alarm rate in both.
        tests: tests that decide, before they are adjusted for their number.
    """

    name: str
    answer: Answer
    reasons: tuple[str, ...] = ()
    images: int = 0
    groups: int = 0
    auroc: PairedAuroc | None = None
    ap: tuple[float, float, float] | None = None
    shift: tuple[float, float, float] | None = None
    verdicts: dict[tuple[str, str, str], int] = field(default_factory=dict)
    promises: tuple[float | None, float | None] = (None, None)
    tests: tuple[Test, ...] = ()


def compare_fleets(
    old: Path, new: Path, before: Sequence[Record], after: Sequence[Record]
) -> tuple[Compared, ...]:
    """Compare the models of two fleets that have the same name.

    A model is worse if it failed or promises its wanted rate no more, or if a paired test on the test images
    that both have scored says so: a lower image AUROC, more false alarms, more missed defects, or more good
    images that are unfit. All p-values of all models are adjusted together (`holm`), so that noise alone
    calls no model worse in 95 % of comparisons.

    Args:
        old: folder of the first fleet.
        new: folder of the second.
        before: records of the first.
        after: records of the second.
    """
    olds = {record.model.name: record for record in before}
    news = {record.model.name: record for record in after}
    found = []
    for name in dict.fromkeys([*olds, *news]):
        if name not in news:
            found.append(Compared(name, "removed", ("It is not in the new fleet.",)))
        elif name not in olds:
            found.append(Compared(name, "added", ("It is not in the old fleet.",)))
        else:
            found.append(_compare(olds[name], news[name], old / name, new / name))
    return _decided(found)


def _compare(old: Record, new: Record, old_folder: Path, new_folder: Path) -> Compared:
    name = old.model.name
    states = [record.step("train").state for record in (old, new)]
    if states[0] != "finished":
        answer: Answer = "added" if states[1] == "finished" else "not compared"
        return Compared(name, answer, ("It is not trained in the old fleet.",))
    if states[1] != "finished":
        why = new.step("train").reason or "its training is not finished"
        return Compared(name, "worse", (f"It is not trained in the new fleet: {why}",))
    facts = [record.step("train").facts for record in (old, new)]
    promises = (facts[0]["promised_rate"], facts[1]["promised_rate"])
    lost: tuple[str, ...] = ()
    if facts[0]["promise_kept"] and not facts[1]["promise_kept"]:
        lost = (
            f"It promised at most {at_most(promises[0])}, as wanted, and now at most {at_most(promises[1])}.",
        )
    for record, which in ((old, "old"), (new, "new")):
        done = record.step("evaluate")
        if done.state != "finished":
            why = done.reason or "run `excision fleet evaluate`"
            reasons = (*lost, f"It is not evaluated in the {which} fleet: {why}")
            return Compared(name, "worse" if lost else "not compared", reasons, promises=promises)
    try:
        compared = _scored(name, old_folder, new_folder)
    except (ExcisionError, OSError) as error:
        return Compared(name, "worse" if lost else "not compared", (*lost, str(error)), promises=promises)
    return replace(
        compared,
        answer="worse" if lost else compared.answer,
        reasons=(*lost, *compared.reasons),
        promises=promises,
    )


def _scored(name: str, old: Path, new: Path) -> Compared:
    (old_threshold, before), (new_threshold, after) = read_scores(old), read_scores(new)
    later = {(image.name, image.content, image.label): image for image in after}
    pairs = [
        (image, later[key]) for image in before if (key := (image.name, image.content, image.label)) in later
    ]
    if not pairs:
        return Compared(name, "not compared", ("No test image is scored by both.",))
    defective = np.array([one.label != "good" for one, _ in pairs])
    groups = _numbered([two.group for _, two in pairs])
    scores = [np.array([pair[place].score for pair in pairs]) for place in (0, 1)]
    tests, auroc, ap = [], None, None
    if 0 < defective.sum() < len(defective):
        auroc = paired_auroc(scores[0], scores[1], defective, groups)
        ap = average_precision_change(scores[0], scores[1], defective, groups)
        if auroc.worse is not None and auroc.better is not None:
            words = f"The image AUROC was {auroc.old:.4f} and is {auroc.new:.4f}"
            tests.append(Test("image AUROC", auroc.worse, auroc.better, words))
    for kind, what in ((False, "false alarms"), (True, "missed defects")):
        tests += _wrong_verdicts(pairs, defective == kind, groups, what)
    good = ~defective
    tests += _unfit(pairs, good, groups)
    shift = scores[1][good] / new_threshold - scores[0][good] / old_threshold
    quartiles = None if not len(shift) else tuple(map(float, np.quantile(shift, [0.5, 0.25, 0.75])))
    return Compared(
        name,
        "no difference shown",
        (),
        len(pairs),
        int(groups.max()) + 1,
        auroc,
        ap,
        None if quartiles is None else (quartiles[0], quartiles[1], quartiles[2]),
        _changes(pairs),
        tests=tuple(tests),
    )


def _wrong_verdicts(
    pairs: Sequence[tuple[TestScore, TestScore]],
    kind: Flags,
    groups: Numbers,
    what: str,
) -> list[Test]:
    """Test whether the verdicts on one kind of image got worse; images unfit in either say nothing."""
    fit = np.array(["unfit" not in (one.verdict, two.verdict) for one, two in pairs]) & kind
    alarms = [np.array([pair[place].verdict == "defect" for pair in pairs])[fit] for place in (0, 1)]
    wrong = alarms if what == "false alarms" else [~each for each in alarms]
    return _sign_test(wrong[0], wrong[1], groups[fit], what)


def _unfit(pairs: Sequence[tuple[TestScore, TestScore]], good: Flags, groups: Numbers) -> list[Test]:
    """Test whether more good images are unfit, of those that are good or unfit to both models.

    Without it, a model that judges fewer images would show no difference.
    """
    either = ("good", "unfit")
    chosen = np.array([one.verdict in either and two.verdict in either for one, two in pairs]) & good
    unfit = [np.array([pair[place].verdict == "unfit" for pair in pairs])[chosen] for place in (0, 1)]
    return _sign_test(unfit[0], unfit[1], groups[chosen], "unfit good images")


def _sign_test(before: Flags, after: Flags, groups: Numbers, what: str) -> list[Test]:
    rises, falls = rises_and_falls(before, after, groups)
    if not rises and not falls:
        return []
    among = counted(len(groups), "image", "images")
    words = f"There were {before.sum()} {what} and are {after.sum()}, of {among}"
    return [Test(what, sign_above(rises, falls), sign_above(falls, rises), words)]


def _decided(found: Sequence[Compared]) -> tuple[Compared, ...]:
    """Say which models are worse or better, with all tests of all models adjusted together."""
    places = [(place, test) for place, compared in enumerate(found) for test in compared.tests]
    worse = holm([test.worse for _, test in places])
    better = holm([test.better for _, test in places])
    reasons: dict[int, list[str]] = {}
    answers: dict[int, Answer] = {}
    for (place, test), down, up in zip(places, worse, better, strict=True):
        if min(down, up) > LEVEL:
            continue
        reasons.setdefault(place, []).append(f"{test.words} (adjusted p-value {min(down, up):.2g}).")
        if down <= LEVEL:
            answers[place] = "worse"
        else:
            answers.setdefault(place, "better")
    decided = []
    for place, compared in enumerate(found):
        answer = "worse" if compared.answer == "worse" else answers.get(place, compared.answer)
        decided.append(replace(compared, answer=answer, reasons=(*compared.reasons, *reasons.get(place, ()))))
    return tuple(decided)


def shift_words(compared: Compared) -> str:
    """Say how far the scores of good images moved, in shares of the threshold."""
    if compared.shift is None:
        return ""
    middle, low, high = compared.shift
    return f"{middle:+.1%} of the threshold (middle half {low:+.1%} to {high:+.1%})".replace("%", " %")


def verdict_words(compared: Compared) -> str:
    """Say which verdicts changed."""
    return "; ".join(
        f"{number} {label}: {old} to {new}" for (label, old, new), number in sorted(compared.verdicts.items())
    )


def promise_words(compared: Compared) -> str:
    """Give the promised rates of both."""
    return " to ".join("-" if rate is None else percent(rate) for rate in compared.promises)


def _changes(pairs: Sequence[tuple[TestScore, TestScore]]) -> dict[tuple[str, str, str], int]:
    return dict(
        Counter(
            ("good" if one.label == "good" else "defective", one.verdict, two.verdict)
            for one, two in pairs
            if one.verdict != two.verdict
        )
    )


def _numbered(names: Sequence[str]) -> Numbers:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
