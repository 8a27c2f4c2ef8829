"""Weights as the first release wrote them, under the names of today."""

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
"""Old beginnings of names, and what takes their place; the first that fits."""


def from_format_1(tensors: dict[str, Tensor], mask_threshold: float) -> dict[str, Tensor]:
    """Give the state dict of today's pipeline.

    Args:
        tensors: of the pipeline of the first release, by name.
        mask_threshold: which stood in a file of its own.
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
