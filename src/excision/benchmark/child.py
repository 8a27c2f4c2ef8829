"""Runs one cell or one timing in a child process, so that a crash affects only that job."""

from __future__ import annotations

import traceback
from functools import partial
from pathlib import Path
from typing import Any

from excision.benchmark.plan import ERROR
from excision.errors import ExcisionError
from excision.jobs import child
from excision.progress import Bars
from excision.system.files import write_json

MODULE = "excision.benchmark"

FAILED, STOPPED = 1, child.STOPPED

launch = partial(child.launch, MODULE)
"""Does a job in a child process and returns its exit status."""


def serve() -> int:
    """Do the job on standard input and return the exit status."""
    return child.serve(do)


def do(job: dict[str, Any]) -> int:
    """Run a job; an error is written beside its results as `error.json`."""
    folder = Path(job["folder"])
    (folder / ERROR).unlink(missing_ok=True)
    try:
        from excision.benchmark.cell import run_cell
        from excision.benchmark.throughput import time_methods

        with Bars() as bars:
            {"cell": run_cell, "throughput": time_methods}[job["kind"]](job, bars)
    except Exception as error:
        # A baseline may raise any error, and the other cells must still run.
        known = isinstance(error, ExcisionError | OSError)
        message = str(error) if known else f"{type(error).__name__}: {error}"
        write_json(folder / ERROR, {"error": message, "traceback": traceback.format_exc()})
        return FAILED
    return 0
