"""The list of known operators. A new operator is one decorated function in a module of this package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

Attributes = dict[str, Any]
Operator = Callable[[Sequence[Any], Attributes], Tensor]

OPERATORS: dict[str, Operator] = {}

CONSTANT_INPUTS: dict[str, dict[int, str]] = {
    "Clip": {1: "min", 2: "max"},
    "Dropout": {1: "ratio", 2: "training_mode"},
    "Pad": {1: "pads", 2: "value", 3: "axes"},
    "ReduceMean": {1: "axes"},
    "Reshape": {1: "shape"},
    "Resize": {1: "roi", 2: "scales", 3: "sizes"},
    "Slice": {1: "starts", 2: "ends", 3: "axes", 4: "steps"},
    "Squeeze": {1: "axes"},
    "Unsqueeze": {1: "axes"},
    "Upsample": {1: "scales"},
}
"""Inputs that become attributes, by their place."""


def operator(name: str) -> Callable[[Operator], Operator]:
    """Register the decorated function as an operator."""

    def register(function: Operator) -> Operator:
        OPERATORS[name] = function
        return function

    return register


def number(value: Any) -> float | None:
    """Return a number that may be stored as a list of one."""
    if isinstance(value, list):
        return float(value[0]) if value else None
    return None if value is None else float(value)
