"""One step for all models of a fleet, several at once; one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from excision.errors import ExcisionError, SettingsError
from excision.fleet.child import BUSY, FAILED, MODULE, note_failure
from excision.fleet.identity import is_trained
from excision.fleet.plan import FleetModel
from excision.fleet.record import Done, Record, Step
from excision.jobs.child import Message, how_it_ended
from excision.jobs.pool import Job, LocalPool, Pool
from excision.jobs.shares import MEMORY_GIB, share_out
from excision.progress import Bars

_BUSY = "another process works on this model"


@dataclass(frozen=True, slots=True)
class Engine:
    """Where the models are worked on; nothing of it changes a model.

    Attributes:
        kind: "local" takes processes of this machine, "ray" a Ray cluster.
        workers: models at once; None takes as many as cores and memory allow.
        address: of the Ray cluster; None begins one on this machine.
        gpus: share of a GPU for each model on a Ray cluster.
        memory_gib: memory for each model.
    """

    kind: str = "local"
    workers: int | None = None
    address: str | None = None
    gpus: float = 0.0
    memory_gib: float = MEMORY_GIB

    def pool(self, jobs: int) -> Pool:
        """Give what does so many jobs."""
        if self.kind == "ray":
            from excision.jobs.on_ray import RayPool

            return RayPool(self.address, self.workers, gpus=self.gpus, memory_gib=self.memory_gib)
        return LocalPool(*share_out(jobs, self.workers, self.memory_gib))


@dataclass
class FleetRun:
    """A step of the models of a fleet.

    Attributes:
        step: what is done.
        out: folder of the fleet.
        bars: shows the progress.
        failures: reason by the name of each model that failed in this run.
    """

    step: Step
    out: Path
    bars: Bars
    failures: dict[str, str] = field(default_factory=dict)
    _models: dict[str, FleetModel] = field(default_factory=dict)
    _shown: dict[str, str] = field(default_factory=dict)
    _ended: int = 0

    def run(self, models: Sequence[FleetModel], engine: Engine, **more: Any) -> None:
        """Do the step for each model that needs it.

        Args:
            models: the models.
            engine: where they are worked on.
            more: what the step takes besides; a path that ends with "/" gets the name of the model appended.

        Raises:
            SettingsError: the folder is a file, or the engine is not there.
            KeyboardInterrupt: the user wants to stop; every model can be continued.
        """
        if self.out.exists() and not self.out.is_dir():
            raise SettingsError(f"{self.out} is a file: choose a folder for the fleet")
        self._models = {model.name: model for model in models}
        jobs = [self._job(model, more) for model in models if self._is_wanted(model)]
        self._ended = len(models) - len(jobs)
        self._tell()
        engine.pool(len(jobs)).run(jobs, self._hear, self._end)

    def _is_wanted(self, model: FleetModel) -> bool:
        """Tell whether a process is needed; what is not trained cannot be measured or exported."""
        folder = self.out / model.name
        if self.step == "train":
            return not is_trained(model, folder)
        done = _record(folder, model).step("train")
        if done.state != "finished":
            self.failures[model.name] = f"its training {'failed' if done.reason else 'is not finished'}"
        return model.name not in self.failures

    def _job(self, model: FleetModel, more: dict[str, Any]) -> Job:
        own = {
            key: f"{value}{model.name}" if isinstance(value, str) and value.endswith("/") else value
            for key, value in more.items()
        }
        folder = str((self.out / model.name).absolute())
        content = {"step": self.step, "folder": folder, "model": model.to_json(), **own}
        return Job(model.name, MODULE, content)

    def _hear(self, job: Job, message: Message) -> None:
        """Show how far a model is; where there is no terminal, only how many are done."""
        if not self.bars.live:
            return
        bar = f"{job.name}: {message['stage']}"
        if self._shown.get(job.name, bar) != bar:
            self.bars.remove(self._shown[job.name])
        self._shown[job.name] = bar
        self.bars.stage(bar, message["done"], message["total"], message["figures"])

    def _end(self, job: Job, status: int) -> None:
        if job.name in self._shown:
            self.bars.remove(self._shown.pop(job.name))
        folder = self.out / job.name
        if status == BUSY:
            self.failures[job.name] = _BUSY
        elif status:
            if status != FAILED:
                note_failure(folder, self.step, self._models[job.name], how_it_ended(status))
            self.failures[job.name] = _reason(folder, self.step)
        if job.name in self.failures:
            self.bars.say(f"failed: {job.name}: {self.failures[job.name]}")
        self._ended += 1
        self._tell()

    def _tell(self) -> None:
        self.bars.stage("models", self._ended, len(self._models))


def records_of(out: Path, models: Iterable[FleetModel]) -> list[Record]:
    """Read what was done with each model, in their order.

    One that was never begun has an empty record, and one whose record is damaged has failed.
    """
    return [_record(out / model.name, model) for model in models]


def _record(folder: Path, model: FleetModel) -> Record:
    try:
        return Record.load(folder) or Record(model)
    except ExcisionError as error:
        return Record(model, {"train": Done("failed", reason=str(error))})


def _reason(folder: Path, step: Step) -> str:
    try:
        record = Record.load(folder)
    except ExcisionError as error:
        return str(error)
    return (None if record is None else record.step(step).reason) or "its process ended"
