"""Operators that compute with each value, with matrices, or with means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from excision.features.graph.operators.registry import OPERATORS, Attributes, Operator, number, operator


def _first(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda inputs, _: function(inputs[0])


def _both(function: Callable[[Any, Any], Tensor]) -> Operator:
    return lambda inputs, _: function(inputs[0], inputs[1])


OPERATORS.update(
    {
        "Abs": _first(torch.abs),
        "Add": _both(torch.add),
        "Cast": _first(lambda x: x.float()),
        "Div": _both(torch.div),
        "Dropout": _first(lambda x: x),
        "Erf": _first(torch.erf),
        "Exp": _first(torch.exp),
        "GlobalAveragePool": _first(lambda x: x.mean(dim=(2, 3), keepdim=True)),
        "GlobalMaxPool": _first(lambda x: x.amax(dim=(2, 3), keepdim=True)),
        "HardSwish": _first(lambda x: x * (x / 6 + 0.5).clamp(0, 1)),
        "Identity": _first(lambda x: x),
        "MatMul": _both(torch.matmul),
        "Mish": _first(functional.mish),
        "Mul": _both(torch.mul),
        "Neg": _first(torch.neg),
        "Pow": _both(torch.pow),
        "PRelu": _both(lambda x, slope: torch.where(x < 0, x * slope, x)),
        "Relu": _first(torch.relu),
        "Sigmoid": _first(torch.sigmoid),
        "Softplus": _first(functional.softplus),
        "Sqrt": _first(torch.sqrt),
        "Sub": _both(torch.sub),
        "Tanh": _first(torch.tanh),
    }
)


@operator("Clip")
def _clip(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    least, most = (number(attributes.get(name)) for name in ("min", "max"))
    found: Tensor = inputs[0]
    return found if least is None and most is None else found.clamp(least, most)


@operator("LeakyRelu")
def _leaky_relu(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    return functional.leaky_relu(inputs[0], attributes.get("alpha", 0.01))


@operator("Elu")
def _elu(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    return functional.elu(inputs[0], attributes.get("alpha", 1.0))


@operator("HardSigmoid")
def _hard_sigmoid(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    found: Tensor = inputs[0] * attributes.get("alpha", 0.2) + attributes.get("beta", 0.5)
    return found.clamp(0, 1)


@operator("Gelu")
def _gelu(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    return functional.gelu(inputs[0], approximate=attributes.get("approximate", "none"))


@operator("Softmax")
def _softmax(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    found: Tensor = inputs[0].softmax(dim=attributes.get("axis", -1))
    return found


@operator("ReduceMean")
def _reduce_mean(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    axes = attributes.get("axes")
    keeps = bool(attributes.get("keepdims", 1))
    every = list(range(inputs[0].ndim))
    found: Tensor = inputs[0].mean(dim=every if axes is None else list(axes), keepdim=keeps)
    return found


@operator("Gemm")
def _gemm(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    left, right, added = [*inputs, None][:3]
    left = left.T if attributes.get("transA", 0) else left
    right = right.T if attributes.get("transB", 0) else right
    product: Tensor = attributes.get("alpha", 1.0) * (left @ right)
    return product if added is None else product + attributes.get("beta", 1.0) * added
