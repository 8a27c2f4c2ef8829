"""What one image costs a method, whatever the machine: operations, weights and traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True, slots=True)
class Cost:
    """What one image costs, whatever the machine.

    Attributes:
        operations: floating-point operations of convolutions and matrix products, two per multiply-add.
        parameters: trained numbers, without memories and statistics.
        weight_bytes: of parameters, memories and statistics in float32.
        traffic: bytes that its operators read and write, each counted alone.
    """

    operations: int
    parameters: int
    weight_bytes: int
    traffic: int

    @classmethod
    def of(cls, network: nn.Module, image: Tensor) -> Cost:
        """Count for one image (1, C, H, W)."""
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(image)
        with torch.no_grad(), _Traffic() as traffic:
            network(image)
        tensors = [*network.parameters(), *network.buffers()]
        return cls(
            int(counter.get_total_flops()),
            sum(each.numel() for each in network.parameters()),
            sum(each.numel() * each.element_size() for each in tensors),
            traffic.bytes,
        )


class _Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Adds up the bytes of the tensors that operators take and give; views move nothing."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if not any(alias.alias_info is not None for alias in func._schema.returns):
            self.bytes += sum(map(_bytes, (*args, *(kwargs or {}).values(), found)))
        return found


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    return sum(map(_bytes, value)) if isinstance(value, list | tuple) else 0
