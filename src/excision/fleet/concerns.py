"""What of a model needs a person, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from excision.fleet.record import Record, Step
from excision.method.calibration.words import at_most, counted, percent

Kind = Literal[
    "failed",
    "not finished",
    "promise missed",
    "promise contradicted",
    "suspects",
    "odd image",
    "skipped images",
    "groups not sure",
    "unfit",
    "warning",
]

_STEPS: dict[Step, str] = {"train": "training", "evaluate": "evaluation", "export": "export"}
_LONGEST = 60  # characters of a name in a sentence


@dataclass(frozen=True, slots=True)
class Concern:
    """Why a person has to look at a model.

    Attributes:
        kind: of the reason.
        words: the reason, in a sentence.
    """

    kind: Kind
    words: str


def concerns(record: Record) -> tuple[Concern, ...]:
    """Give everything of a model that needs a person, most urgent first."""
    return (*_of_steps(record), *_of_training(record.step("train").facts), *_of_evaluation(record))


def _of_steps(record: Record) -> Iterator[Concern]:
    for step, name in _STEPS.items():
        done = record.step(step)
        if done.state == "failed":
            yield Concern("failed", f"The {name} failed: {done.reason}")
    if record.step("train").state == "not finished":
        yield Concern("not finished", "The training is not finished: the same command continues it.")


def _of_training(facts: dict[str, Any]) -> Iterator[Concern]:
    if not facts:
        return
    if not facts["promise_kept"]:
        yield Concern(
            "promise missed",
            f"The wanted rate of {percent(facts['wanted_rate'])} is not promised, but at most "
            f"{at_most(facts['promised_rate'])}{_confidence(facts)}, from "
            f"{counted(facts['calibration_images'], 'image', 'images')} in "
            f"{counted(facts['groups'], 'group', 'groups')}.",
        )
    if facts["suspects"]:
        yield Concern(
            "suspects",
            f"{counted(facts['suspects'], 'good image looks', 'good images look')} defective, such as "
            f"{_short(facts['suspect_names'])}: see suspects/report.html.",
        )
    if facts["dropped"]:
        yield Concern(
            "suspects",
            f"{counted(facts['dropped'], 'image was', 'images were')} left out as suspects, such as "
            f"{_short(facts['suspect_names'])}: confirm that they show defects, in suspects/report.html.",
        )
    if facts["odd_image"]:
        yield Concern("odd image", f"One calibration image is odd: {facts['odd_image']}.")
    if facts["skipped"]:
        name, reason = next(iter(facts["skipped_names"].items()))
        yield Concern(
            "skipped images",
            f"{counted(facts['skipped'], 'image', 'images')} could not be used, such as {name}: {reason}.",
        )
    if not facts["groups_sure"]:
        yield Concern("groups not sure", f"The groups are a guess ({facts['groups_from']}): state them.")
    for warning in facts["warnings"]:
        yield Concern("warning", warning if warning.endswith(".") else f"{warning}.")


def _of_evaluation(record: Record) -> Iterator[Concern]:
    done = record.step("evaluate")
    if done.state != "finished":
        return
    facts = done.facts
    if facts["contradicts"]:
        yield Concern(
            "promise contradicted",
            f"The false-alarm rate on the test images, {percent(facts['false_alarm_rate'])}, contradicts the "
            "promise: even the lower end of its 95 % interval is larger.",
        )
    unfit = facts["n_unfit_normal"]
    if unfit:
        yield Concern("unfit", f"{unfit} of {facts['n_normal']} good test images are unfit.")


def _confidence(facts: dict[str, Any]) -> str:
    return "" if facts["confidence"] is None else f" with {percent(facts['confidence'])} confidence"


def _short(names: list[str]) -> str:
    name = names[0]
    return name if len(name) <= _LONGEST else f"...{name[-_LONGEST:]}"
