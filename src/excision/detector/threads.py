"""How many threads torch computes one image with."""

from __future__ import annotations

import torch


def use_threads(count: int) -> None:
    """Set the number of threads of each computation in this process."""
    torch.set_num_threads(count)
