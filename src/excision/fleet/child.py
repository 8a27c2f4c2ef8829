"""Does one step of one model in a process of its own, and records how it ended."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from excision.errors import ExcisionError
from excision.fleet.plan import FleetModel
from excision.fleet.record import Done, Record, Step
from excision.jobs import child
from excision.progress import Shown
from excision.system.secrets import without_secrets

MODULE = "excision.fleet"

FAILED = 1
"""Exit status of a job whose record says why it failed."""

BUSY = 3
"""Exit status of a job that did nothing, because another process works on the model."""

_PATIENCE = child.GRACE + 15.0  # seconds that a process of a killed command gets to end


def serve() -> int:
    """Do the job on standard input and return the exit status."""
    shown = child.Messages()
    return child.serve(lambda job: do(job, shown))


def do(job: dict[str, Any], shown: Shown) -> int:
    """Do a job: "step", "folder" of the model, "model", "device", and what the step takes besides."""
    folder, step = Path(job["folder"]), job["step"]
    with _only_one(folder) as free:
        if not free:
            return BUSY
        try:
            _do(job, folder, step, shown)
        except Exception as error:
            # Whatever is wrong with one model, the others go on.
            known = isinstance(error, ExcisionError | OSError)
            reason = str(error) if known else f"{type(error).__name__}: {error}"
            if not known:
                print(without_secrets(traceback.format_exc()), file=sys.stderr)
            note_failure(folder, step, FleetModel.from_json(job["model"]), reason)
            return FAILED
    return 0


def note_failure(folder: Path, step: Step, model: FleetModel, reason: str) -> None:
    """Record that a step failed."""
    try:
        record = Record.load(folder)
    except ExcisionError:
        # It is damaged, or of a later version; whoever reads it says so.
        return
    before = {} if record is None else record.steps
    known = before[step] if step in before else Done("not finished")
    of = known.of if known.state == "not finished" else {}
    folder.mkdir(parents=True, exist_ok=True)
    # What was found before stays for whoever asks why; a step that failed is never taken for finished.
    failed = Done("failed", of, without_secrets(reason), known.facts)
    Record(model, before).with_step(step, failed).save(folder)


def _do(job: dict[str, Any], folder: Path, step: Step, shown: Shown) -> None:
    if step == "train":
        from excision.fleet.training import train_model

        train_model(FleetModel.from_json(job["model"]), folder, job["device"], shown)
    elif step == "evaluate":
        from excision.fleet.measuring import evaluate_model

        evaluate_model(folder, job["device"], shown)
    else:
        from excision.fleet.measuring import export_model

        export_model(
            folder,
            Path(job["out"]),
            to=job["to"],
            precision=job["precision"],
            allow_drift=job["allow_drift"],
            shown=shown,
        )


@contextmanager
def _only_one(folder: Path) -> Iterator[bool]:
    """Hold the folder of a model: the process of a command that was killed may still save its state in it.

    Gives False if another process works in it for longer than one takes to end.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        yield True
        return
    # Beside the folder, which may be moved away.
    locks = folder.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / folder.name).open("w", encoding="ascii") as lock:
        deadline, free = time.monotonic() + _PATIENCE, False
        while not free and time.monotonic() < deadline:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free = True
            except BlockingIOError:
                time.sleep(child.LISTEN)
        yield free
