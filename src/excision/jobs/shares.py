"""How many jobs run at once, and with how many threads each: memory and cores are shared out."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from excision.system.cores import cores

MEMORY_GIB = 3.0
"""Memory that the training of a model takes by default: up to 2.6 GiB were measured."""

_CGROUP = Path("/sys/fs/cgroup/memory.max")


class Shares(NamedTuple):
    """What each job gets.

    Attributes:
        workers: jobs at once.
        threads: of each.
    """

    workers: int
    threads: int


def share_out(jobs: int, workers: int | None = None, memory_gib: float = MEMORY_GIB) -> Shares:
    """Share this machine out.

    Args:
        jobs: how many there are.
        workers: how many at once; None takes as many as there are jobs, cores, and room in memory.
        memory_gib: memory of each.
    """
    available = cores()
    if workers is None:
        workers = min(available, int(_memory_gib() // memory_gib))
    workers = max(1, min(workers, jobs))
    return Shares(workers, max(1, available // workers))


def _memory_gib() -> float:
    """Memory of this machine, or what its container may take."""
    known = []
    with suppress(AttributeError, OSError, ValueError):
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):  # "max" where there is no limit
        known.append(int(_CGROUP.read_text("ascii")))
    return min(known, default=2**63) / 2**30
