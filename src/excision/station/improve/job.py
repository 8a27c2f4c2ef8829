"""What an improvement is asked to do, where it is done, and how far it is: files that outlive its process.

job.json          what was asked
state.json        the step under way, and how it ended
collection.json   the images and what each is for, frozen when they were collected
run/              run folder of the challenger
export/           the challenger, to go live
comparison.json   champion and challenger on labelled parts that neither was trained on
pictures/         each changed verdict: the image, and both anomaly maps
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

from excision.errors import ExcisionError, SettingsError
from excision.station.models.version import check_name
from excision.station.work.backup import MODELS
from excision.system.files import write_json
from excision.system.strict_json import read_json

JOB, STATE, COLLECTION, COMPARISON = "job.json", "state.json", "collection.json", "comparison.json"
RUN, EXPORT, PICTURES, IMAGES = "run", "export", "pictures", "images"
IMPROVE = MODELS
"""Folder in a station's folder, with a folder for each model, and in that one for each challenger."""

STEPS, TUNING, RATE = 300, 600, 1e-3
"""Of a training that starts from the networks of a model: recovery, attention, and the peak learning rate."""

_MOST = 256 * 2**20  # bytes of a file that is read

Kind = Literal["improve", "new"]
State = Literal["waiting", "running", "stopped", "failed", "done"]


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked.

    Attributes:
        kind: "improve" a model, or make a "new" one from images in `images/`.
        model: name of the model at the station.
        station: folder of the station.
        run: run folder of the model in use; None for a new model.
        deployed: folder of the model in use; None where it is the run folder itself.
        threshold: decision threshold in use; None for the thresholds of that folder.
        review_threshold: where the grey zone in use begins, beside `threshold`; None for no such zone.
        originals: folders that are searched for the images of the run.
        steps: steps of the recovery network.
        tuning: largest number of steps of the attention.
        rate: peak learning rate.
        from_nothing: start from no networks, with the settings of the run.
        allow_missing: go on although many images of the run were not found.
        settings: file of settings of a new model; None for the defaults.
        who: asked for it.
    """

    kind: Kind
    model: str
    station: Path
    run: Path | None = None
    deployed: Path | None = None
    threshold: float | None = None
    review_threshold: float | None = None
    originals: tuple[Path, ...] = ()
    steps: int = STEPS
    tuning: int = TUNING
    rate: float = RATE
    from_nothing: bool = False
    allow_missing: bool = False
    settings: Path | None = None
    who: str = ""

    def __post_init__(self) -> None:
        check_name(self.model)
        if self.steps < 1 or self.tuning < 0 or self.rate <= 0:
            raise SettingsError("steps must be at least 1, tuning at least 0, and the learning rate above 0")

    def to_json(self) -> dict[str, Any]:
        """Give what is written."""
        content = asdict(self)
        content["originals"] = [str(path.absolute()) for path in self.originals]
        for name in ("station", "run", "deployed", "settings"):
            content[name] = None if content[name] is None else str(content[name].absolute())
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read what was written; what a later version added is passed over."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in content.items() if name in known}
        values["originals"] = tuple(map(Path, values["originals"]))
        for name in ("station", "run", "deployed", "settings"):
            values[name] = None if values[name] is None else Path(values[name])
        return cls(**values)

    def save(self, out: Path) -> None:
        """Write it."""
        write_json(out / JOB, self.to_json())

    @classmethod
    def load(cls, out: Path) -> Self | None:
        """Read it; None if there is none.

        Raises:
            SettingsError: it is damaged.
        """
        if not (out / JOB).is_file():
            return None
        try:
            return cls.from_json(read_json(out / JOB, _MOST))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SettingsError(
                f"{out / JOB}: this is not what an improvement is asked ({error!r})"
            ) from error


@dataclass(frozen=True, slots=True)
class Standing:
    """How far it is.

    Attributes:
        state: whether it runs, or how it ended; "running" may have been cut off by a kill.
        step: "collect", "train", "export" or "compare".
        reason: why it failed; empty where it did not.
        notes: what a person should know, one sentence each.
        seconds: time that each finished step took.
    """

    state: State = "waiting"
    step: str = "collect"
    reason: str = ""
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] | None = None

    @classmethod
    def load(cls, out: Path) -> Self:
        """Read it; a file that is missing or damaged says nothing."""
        try:
            content = read_json(out / STATE, _MOST)
            return cls(**{**content, "notes": tuple(content["notes"])})
        except (OSError, ExcisionError, ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def save(self, out: Path) -> None:
        """Write it."""
        write_json(out / STATE, asdict(self))

    def after(self, step: str, seconds: float) -> Standing:
        """Note that a step is finished; a step that had been cut off adds its time."""
        before = dict(self.seconds or {})
        before[step] = round(before.get(step, 0.0) + seconds, 1)
        return replace(self, seconds=before)


def home(station: Path, model: str) -> Path:
    """Give the folder of the challengers of a model."""
    return station / IMPROVE / check_name(model)


def challengers(station: Path, model: str) -> list[Path]:
    """Give the folders of the challengers of a model, the oldest first."""
    above = home(station, model)
    if not above.is_dir():
        return []
    numbered = [path for path in above.iterdir() if path.name.isdecimal() and (path / JOB).is_file()]
    return sorted(numbered, key=lambda path: int(path.name))


def next_folder(station: Path, model: str) -> Path:
    """Give the folder of the next challenger: the last one, while it is unfinished, or a new one."""
    known = challengers(station, model)
    if known and Standing.load(known[-1]).state not in ("done",):
        return known[-1]
    number = 1 + max((int(path.name) for path in known), default=0)
    return home(station, model) / f"{number:04d}"
