"""An improvement in a process of its own, at the lowest priority; torch is imported there alone."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

from excision.errors import ExcisionError
from excision.jobs import child
from excision.station.improve.job import Job
from excision.station.improve.steps import carry_out, lower_priority
from excision.system.secrets import without_secrets

MODULE = "excision.station.improve"

_PATIENCE = child.GRACE + 15.0  # seconds

FAILED = 1
"""Exit status of a job whose state says why it failed."""


def serve() -> int:
    """Do the job on standard input and return the exit status."""
    shown = child.Messages()
    lower_priority()
    return child.serve(lambda job: do(job, shown))


def do(job: dict[str, Any], shown: child.Messages) -> int:
    """Do a job: "out" and "job"."""
    try:
        carry_out(Job.from_json(job["job"]), Path(job["out"]), shown, _PATIENCE)
    except Exception as error:
        if not isinstance(error, ExcisionError | OSError):
            print(without_secrets(traceback.format_exc()), file=sys.stderr)
        return FAILED
    return 0
