"""What was done with a model of a fleet: a file beside the model, written once each step has ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from excision.errors import ModelError
from excision.fleet.plan import FleetModel
from excision.system.files import write_json
from excision.system.strict_json import read_json
from excision.version import __version__

RECORD = "fleet_model.json"
FORMAT = 1

Step = Literal["train", "evaluate", "export"]
State = Literal["finished", "failed", "not finished"]

_MOST = 256 * 2**20  # bytes; warnings and skipped images of one model

_OF_TRAINING = (
    "promise_kept wanted_rate promised_rate confidence calibration_images groups groups_sure groups_from",
    "suspects suspect_names dropped odd_image skipped skipped_names warnings",
)
_FACTS: dict[Step, frozenset[str]] = {
    "train": frozenset(" ".join(_OF_TRAINING).split(" ")),
    "evaluate": frozenset({"contradicts", "false_alarm_rate", "n_normal", "n_unfit_normal"}),
    "export": frozenset({"folder"}),
}
"""What is known of a step that has finished."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a step ended.

    Attributes:
        state: "finished" or "failed".
        of: what it was done with; the same means that it need not be done again.
        reason: why it failed.
        facts: what it found.
        excision: version that did it.
    """

    state: State
    of: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    excision: str = __version__


@dataclass(frozen=True, slots=True)
class Record:
    """What was done with a model.

    Attributes:
        model: the model, as its training was asked for.
        steps: the steps that have ended, each as it last did.
    """

    model: FleetModel
    steps: dict[Step, Done] = field(default_factory=dict)

    def step(self, step: Step) -> Done:
        """How a step ended; "not finished" if it never did."""
        return self.steps.get(step, Done("not finished"))

    def with_step(self, step: Step, done: Done) -> Record:
        """Return the record with a step that has ended now."""
        return replace(self, steps={**self.steps, step: done})

    def save(self, folder: Path) -> None:
        """Write it into the folder of the model."""
        write_json(
            folder / RECORD,
            {
                "format": FORMAT,
                "model": self.model.to_json(),
                "steps": {step: asdict(done) for step, done in self.steps.items()},
            },
        )

    @classmethod
    def load(cls, folder: Path) -> Record | None:
        """Read it; None if nothing has been done yet.

        Raises:
            ModelError: the file is damaged, or of a later version.
        """
        path = folder / RECORD
        if not path.is_file():
            return None
        content = read_json(path, _MOST)
        try:
            if content["format"] > FORMAT:
                raise ModelError(f"{path}: a later version of Excision wrote this: update this installation")
            return cls(
                FleetModel.from_json(content["model"]),
                {step: _whole(step, Done(**done)) for step, done in content["steps"].items()},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path}: this is no record of a model of a fleet: {error!r}; remove it"
            ) from error


def _whole(step: Step, done: Done) -> Done:
    """Give a step as it is, or as not finished if its facts are not those of a step that has finished."""
    if not isinstance(done.facts, dict) or not isinstance(done.of, dict):
        raise TypeError(f"the step {step} is damaged")
    lacking = sorted(_FACTS[step] - set(done.facts)) if done.facts or done.state == "finished" else []
    if not lacking:
        return done
    return Done("not finished", done.of, f"its record does not say {', '.join(lacking)}: do this step again")
