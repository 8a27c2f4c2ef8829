"""Runs one job in a child process, so that memory is measured per job and a crash affects only that job.

The job is one line of JSON on standard input, which then stays open: when it closes, the child stops as on
Ctrl-C. So it stops once and cleanly, whether Ctrl-C was pressed or the parent was killed.
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
"""Runs a job and returns its exit status."""

FAILED, STOPPED = 1, 130

_GRACE = 60.0  # seconds that a child gets to save its state


def launch(job: dict[str, Any]) -> int:
    """Run a job in a child process and return its exit status; negative if a signal ended it.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; the child has saved its state and ended.
    """
    words = [sys.executable, "-m", "excision.benchmark"]
    # In a new session it does not get the terminal's Ctrl-C; closing its input stops it exactly once.
    process = subprocess.Popen(words, stdin=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdin is not None  # requested above
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
    """Run the job on standard input and return the exit status."""
    # A shell may have started the benchmark with SIGINT ignored, but SIGINT is how a child is stopped.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        job = json.loads(sys.stdin.readline())
        threading.Thread(target=_stop_with_parent, daemon=True).start()
        return do(job)
    except KeyboardInterrupt:
        return STOPPED


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


def _stop_with_parent() -> None:
    # Read below the text layer, whose lock would block the exit of the program.
    while os.read(0, 4096):
        pass
    if hasattr(signal, "pthread_kill"):
        # Unlike `interrupt_main`, a signal also wakes a main thread that is waiting.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
    time.sleep(_GRACE)
    # Files are replaced atomically, so this leaves none incomplete.
    os._exit(STOPPED)
