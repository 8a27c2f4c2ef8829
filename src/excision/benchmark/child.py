"""Both ends of a process that does one job, so that its memory is the job's own and its crash ends only it.

The job is one line of JSON on standard input, which then stays open: where it closes, the child stops as on
Ctrl-C. So it stops once, and in good order, whether Ctrl-C was pressed or the parent was killed.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from excision.benchmark.plan import ERROR
from excision.errors import ExcisionError
from excision.progress import Bars
from excision.system.files import write_json

Launch = Callable[[dict[str, Any]], int]
"""Does a job and gives its exit status."""

FAILED, STOPPED = 1, 130

_GRACE = 60.0  # seconds that a child may take to save itself


def launch(job: dict[str, Any]) -> int:
    """Do a job in a child process and give its exit status; negative where a signal ended it.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; the child has saved what it could, and is gone.
    """
    words = [sys.executable, "-m", "excision.benchmark"]
    # A session of its own keeps the terminal's Ctrl-C from it: closing its input stops it, once.
    process = subprocess.Popen(words, stdin=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdin is not None  # asked for above
    try:
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        return process.wait()
    except BrokenPipeError:
        return process.wait() or FAILED
    except KeyboardInterrupt:
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        raise
    finally:
        process.kill()
        process.wait()
        with suppress(BrokenPipeError):
            process.stdin.close()


def serve() -> int:
    """Do the one job that standard input names and give the exit status."""
    # A shell may have started the benchmark with Ctrl-C ignored, and this is how it is stopped.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        job = json.loads(sys.stdin.readline())
        threading.Thread(target=_stop_with_parent, daemon=True).start()
        return do(job)
    except KeyboardInterrupt:
        return STOPPED


def do(job: dict[str, Any]) -> int:
    """Do a job; what goes wrong is written beside its results as `error.json`."""
    folder = Path(job["folder"])
    (folder / ERROR).unlink(missing_ok=True)
    try:
        from excision.benchmark.cell import run_cell
        from excision.benchmark.throughput import time_methods

        with Bars() as bars:
            {"cell": run_cell, "throughput": time_methods}[job["kind"]](job, bars)
    except Exception as error:
        # A baseline may fail in any way, and the other cells have to go on.
        known = isinstance(error, ExcisionError | OSError)
        message = str(error) if known else f"{type(error).__name__}: {error}"
        write_json(folder / ERROR, {"error": message, "traceback": traceback.format_exc()})
        return FAILED
    return 0


def _stop_with_parent() -> None:
    # Read past the text layer, whose lock would hold up the end of the program.
    while os.read(0, 4096):
        pass
    if hasattr(signal, "pthread_kill"):
        # Unlike the other way it also wakes a main thread that waits.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
    time.sleep(_GRACE)
    # Every file is replaced in one step, so nothing is torn by this.
    os._exit(STOPPED)
