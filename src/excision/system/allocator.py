"""The memory allocator of the C library, for work that needs the same large blocks again and again."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

# Names of glibc's `mallopt`, from malloc.h (GNU C Library manual, "Malloc Tunable Parameters").
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_CHOICE = "MALLOC_ARENA_MAX"  # the environment's name of the last of them
_LARGEST = 2**25  # the largest threshold that glibc takes; a larger block goes back to the system at once
_KEPT = 2**28  # bytes that are kept at the end of the heap


def keep_freed_memory() -> None:
    """Keep freed blocks of up to 32 MiB for the next use, instead of giving them back to the system.

    The layers of a network free and take such blocks for every image. Given back, each is taken again page by
    page, and pages are given and taken under a lock that all threads of the process share. Without effect
    where the C library is not glibc.
    """
    _set(_MMAP_THRESHOLD, _LARGEST)
    _set(_TRIM_THRESHOLD, _KEPT)


def share_memory_of_threads() -> None:
    """Let threads that begin from now on take memory from one arena, instead of one for each thread.

    What a thread has freed can then be used by the others. Threads that take large blocks hardly wait for
    each other. It holds until the process ends. Without effect where the C library is not glibc, once the
    process has many arenas, or if the user has chosen their number.
    """
    if _CHOICE not in os.environ:
        _set(_ARENA_MAX, 1)


def _set(name: int, value: int) -> None:
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(name, value)
