"""How threads that share a computation wait for each other."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

_CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # of GNU's OpenMP, which torch for Linux comes with
_SPINS = "1000"


def wait_asleep(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let threads of OpenMP sleep after a few microseconds of waiting, instead of milliseconds.

    Between two layers of a network, each thread waits for the others by asking again and again. Where other
    work has a core as well, the thread that they wait for may not run until they give up. Results stay the
    same. It must be called before torch is imported; what the user has chosen stands.

    Args:
        environment: of this process.
    """
    if not any(name in environment for name in _CHOICES):
        environment["GOMP_SPINCOUNT"] = _SPINS
