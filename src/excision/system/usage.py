"""The cost of a run: time and memory, and the machine."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from excision.version import __version__


def peak_memory_mb() -> float:
    """Peak resident memory of this process in MiB; 0 if the platform does not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def own_peak_memory_mb() -> float:
    """Return the peak resident memory of this program in MiB.

    On Linux, `getrusage` includes the peak of the process that started the program; this value does not.
    """
    try:
        with open("/proc/self/status", encoding="utf-8") as stream:  # noqa: PTH123  no path, a kernel table
            peaks = [line.split()[1] for line in stream if line.startswith("VmHWM:")]
    except OSError:
        peaks = []
    return int(peaks[0]) / 2**10 if peaks else peak_memory_mb()


def usage(seconds: float) -> dict[str, Any]:
    """Give time, peak memory, machine and versions, for the record of a training."""
    import torch

    return {
        "seconds": round(seconds, 1),
        "peak_memory_mb": round(peak_memory_mb(), 1),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "excision": __version__,
    }


def processor() -> str:
    """Name the processor; on Linux the kernel has a better name than Python."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:  # noqa: PTH123  no path, a kernel table
            names = [line.split(":", 1)[1].strip() for line in stream if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
