"""The other end of a worker: starts it, and asks it for times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from excision.benchmark.peers.worker import STARTED
from excision.errors import ModelError

_MODULE = "excision.benchmark.peers.worker"
_GRACE = 10.0  # seconds until a worker that does not end is killed


class Asked:
    """A process that has one method ready.

    Args:
        job: name, engine, threads, run, graph and channels.
        threads: of the libraries that read their number from the environment.

    Attributes:
        first_result: seconds from its start to its first result.
        peak_memory_mb: peak resident memory in MiB after two inspections.
        peak_rate: floating-point operations per second of a large matrix product, measured last.

    Raises:
        ModelError: the method cannot be computed there.
    """

    def __init__(self, job: dict[str, Any], threads: int) -> None:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        # A thread that waits for work must not take the core from the method whose turn it is.
        environment = os.environ | dict.fromkeys(names, str(threads)) | {"OMP_WAIT_POLICY": "PASSIVE"}
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  it is open as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment | {STARTED: repr(time.time())},
        )
        self.peak_rate = 0.0
        try:
            facts = self._ask(json.dumps(job))
        except BaseException:
            self.close()
            raise
        self.first_result, self.peak_memory_mb = facts["first_result"], facts["peak_memory_mb"]

    def seconds(self, count: int) -> float:
        """Time a number of inspections.

        Raises:
            ModelError: the process has ended.
        """
        answer = self._ask(str(count))
        self.peak_rate = answer["peak_rate"]
        seconds: float = answer["seconds"]
        return seconds

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(_GRACE)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines()
            raise ModelError(said[-1][:300] if said else f"the process ended with {self._process.returncode}")
        found: dict[str, Any] = json.loads(answer)
        return found
