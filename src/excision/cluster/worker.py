"""A process that inspects parts, one after another, as its parent says on standard input.

Each line on standard input and output is a JSON object. The parent first sends what to open, then a part at a
time. The worker says when it is ready, which image it begins, and which part is finished. It ends when its
input does, and it cannot outlive its parent by more than an image: then its output is closed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any, TextIO

from excision.cluster.inspecting import PartInspector
from excision.cluster.plan import read_plan
from excision.errors import ExcisionError, ModelError
from excision.inspection.fingerprint import fingerprint
from excision.inspection.loading import load
from excision.storage.ahead import Reader
from excision.storage.opening import open_folder

FAULT = 3
"""Exit status of a worker that has told why it cannot go on."""


def serve(parent: TextIO, told: TextIO) -> int:
    """Do what the parent says until it says no more, and give the exit status."""

    def tell(**message: Any) -> None:
        told.write(json.dumps(message) + "\n")
        told.flush()

    try:
        inspector = open_job(json.loads(parent.readline()))
        tell(ready=True)
        for line in parent:
            task = json.loads(line)
            part = int(task["part"])
            deadly = {int(place): str(reason) for place, reason in task["deadly"].items()}
            inspector.do(
                part, begins=lambda place: tell(image=place), again=bool(task["again"]), deadly=deadly
            )
            tell(part=part)
    except BrokenPipeError:
        # The parent was killed. Whoever continues inspects this part again.
        return FAULT
    except (ExcisionError, OSError) as error:
        tell(fault=str(error))
        return FAULT
    except Exception as error:
        tell(fault=f"an unexpected error of the program ({type(error).__name__}: {error})")
        raise
    return 0


def open_job(job: dict[str, Any]) -> PartInspector:
    """Open the model and the manifest of a job.

    Args:
        job: `model` and `out`, the `threads` and `device` of one inspection, and the `readers` and `budget`
            of `Reader`.

    Raises:
        ModelError: the model cannot be opened, or is not that of the plan.
        ResultsError: the plan or the manifest is gone or damaged.
    """
    model = Path(job["model"])
    folder = open_folder(job["out"])
    plan = read_plan(folder)
    if plan is None:
        raise ModelError(f"{folder.name}: the plan of the inspection is gone")
    predictor = load(model, job["threads"], job["device"])
    if fingerprint(model) != plan.model:
        raise ModelError(f"{model}: the model changed since the inspection began; name another --out")
    return PartInspector(predictor, folder, plan, Reader(job["readers"], job["budget"]))


class _WithoutPandas(MetaPathFinder):
    """Has pandas be found nowhere.

    Where it is installed, pyarrow imports it to see that a list is none of its series: that would be a third
    of all that a worker does before its first image.
    """

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("a worker has no need of it", name=name)


def main() -> int:
    """Serve the parent, with standard output kept for it alone."""
    # Ctrl-C is for the parent, which then closes the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.meta_path.insert(0, _WithoutPandas())
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What a library prints must not come between the lines for the parent.
    os.dup2(2, 1)
    return serve(sys.stdin, told)


if __name__ == "__main__":
    sys.exit(main())
