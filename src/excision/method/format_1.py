"""Converts the weights of run folder format 1 (the first release) to the current names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_PREFIXES = {
    "level": "attention.normal.mean",
    "spread": "attention.normal.std",
    "usual": "scorer.normal_residual",
    "tails": "scorer.tails",
    "familiar.explained": "scorer.feature_distance.explained_variance",
    "familiar.": "scorer.feature_distance.",
    "alignment.": "scorer.alignment.",
}
"""Old prefixes of tensor names and their replacements; the first match applies."""


def from_format_1(tensors: dict[str, Tensor], mask_threshold: float) -> dict[str, Tensor]:
    """Convert tensors to the state dict of the current pipeline.

    Args:
        tensors: tensors of format 1, by name.
        mask_threshold: threshold of the mask, which format 1 kept in a separate file.
    """
    import torch

    return {
        **{_renamed(name): tensor for name, tensor in tensors.items()},
        "masking.threshold": torch.tensor(mask_threshold),
    }


def _renamed(name: str) -> str:
    if name.startswith("alignment."):
        name = name.replace(".usual", ".mean")
    for old, new in _PREFIXES.items():
        if name == old or (old.endswith(".") and name.startswith(old)):
            return new + name.removeprefix(old)
    return name
