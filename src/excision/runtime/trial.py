"""Tries an exported folder in a process of its own.

The libraries that run graphs are not written for graphs that somebody has forged. One that makes them crash,
take all memory or never end must not take a running station with it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from excision.errors import ExcisionError, ModelError

SECONDS = 300.0
"""Time that loading and replaying the golden images may take."""

_LEAST_BYTES = 2**31
_SHARE = 0.8  # of the memory that is free now
_REFUSED = 2
_LONGEST_REASON = 500


def try_out(
    folder: Path, threads: int | None, seconds: float = SECONDS, program: Sequence[str] | None = None
) -> None:
    """Load an exported folder in a process of its own, and replay its golden images there.

    Args:
        folder: exported folder.
        threads: number of threads per inspection; None leaves it to the backend.
        seconds: time that it may take.
        program: command line of the process, to which folder and threads are added; None for this module.

    Raises:
        ModelError: the folder is refused, its graph crashes, or it takes too long or too much memory.
    """
    command = program or (sys.executable, "-m", "excision.runtime.trial")
    try:
        done = subprocess.run(
            [*command, str(folder.absolute()), str(threads or 0)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{folder}: loading and proving it takes longer than {seconds:g} seconds") from error
    except OSError as error:
        raise ModelError(f"{folder}: no process could be started to try it ({error})") from error
    if done.returncode == 0:
        return
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [""]
    if done.returncode == _REFUSED:
        raise ModelError(lines[-1])
    reason = f"status {done.returncode}: {lines[-1][:_LONGEST_REASON]}".rstrip(": ")
    raise ModelError(f"{folder}: the process that tried it crashed, or ran out of memory ({reason})")


def _main(folder: str, threads: str) -> int:
    _limit_memory()
    from excision.runtime.inspector import Inspector
    from excision.runtime.verification import verify

    try:
        verify(Inspector(folder, int(threads) or None))
    except ExcisionError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return _REFUSED
    return 0


def _limit_memory() -> None:
    """Limit the memory of this process to most of what is free now, on systems that can."""
    try:
        import resource

        words = Path("/proc/meminfo").read_text("ascii").split()
        free = 1024 * int(words[words.index("MemAvailable:") + 1])
        most = max(int(_SHARE * free), _LEAST_BYTES)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        return  # a system without such limits


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
