"""Counts the floating-point operations of a model.

torch counts them, too, by `torch.utils.flop_counter`, but imports its compiler for that, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from excision.method.pipeline import Pipeline

_CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
_PRODUCTS = ("matmul", "linear", "mm", "bmm")


def count_operations(pipeline: Pipeline) -> dict[str, int]:
    """Count the floating-point operations of each network for one image: two per multiply-add.

    Those of convolutions and matrix products count; beside them, all others are few.

    Args:
        pipeline: pipeline with any weights.
    """
    settings = pipeline.settings
    image = torch.zeros(1, pipeline.image_format.channels, *pipeline.image_format.size)
    skips = settings.recovery.skips("inference")
    calls: dict[str, Callable[[], object]] = {
        "attention": lambda: pipeline.cells(image),
        "recovery": lambda: pipeline.recovery(image, torch.zeros_like(image[:, :1]), skips),
    }
    network = pipeline.scorer.network
    if network is not None and pipeline.scorer.network_distances:
        calls["features"] = lambda: network(image)
    counted = {}
    for name, call in calls.items():
        with torch.no_grad(), OperationCounter() as counter:
            call()
        counted[name] = counter.operations
    return counted


class OperationCounter(TorchFunctionMode):
    """Counts the operations of torch's functions that are called during a block.

    Attributes:
        operations: the number so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the function and count."""
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "").strip("_")
        if name in _CONVOLUTIONS:
            weight: Tensor = args[1]
            self.operations += 2 * result.numel() * weight[0].numel()
        elif name in _PRODUCTS:
            self.operations += 2 * result.numel() * args[0].shape[-1]
        elif name == "scaled_dot_product_attention":
            query, key, value = args[:3]
            self.operations += (
                2 * query.shape[:-1].numel() * key.shape[-2] * (key.shape[-1] + value.shape[-1])
            )
        return result
