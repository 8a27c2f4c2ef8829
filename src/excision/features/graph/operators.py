"""The ONNX operators that a feature network may use, on tensors.

Each function takes the inputs, None for one that is left out, and the attributes, and follows the definition
of its operator at https://onnx.ai/onnx/operators. What ONNX gives as an input but must be known before the
graph runs, such as the axes of a mean, is an attribute here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

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
    least, most = (_number(attributes.get(name)) for name in ("min", "max"))
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


@operator("BatchNormalization")
def _batch_normalization(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    x, weight, bias, mean, variance = inputs[:5]
    return functional.batch_norm(x, mean, variance, weight, bias, eps=attributes.get("epsilon", 1e-5))


@operator("InstanceNormalization")
def _instance_normalization(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    x, weight, bias = inputs
    return functional.instance_norm(x, weight=weight, bias=bias, eps=attributes.get("epsilon", 1e-5))


@operator("LayerNormalization")
def _layer_normalization(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    x, weight, bias = [*inputs, None][:3]
    axis = attributes.get("axis", -1) % x.ndim
    return functional.layer_norm(x, x.shape[axis:], weight, bias, attributes.get("epsilon", 1e-5))


@operator("Conv")
def _conv(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    x, weight, bias = [*inputs, None][:3]
    strides, dilations = _pair(attributes, "strides"), _pair(attributes, "dilations")
    padded = _padded(x, weight.shape[2:], strides, dilations, attributes, 0.0)
    return functional.conv2d(padded, weight, bias, strides, 0, dilations, attributes.get("group", 1))


@operator("MaxPool")
def _max_pool(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    kernel, strides = _pair(attributes, "kernel_shape"), _pair(attributes, "strides")
    dilations = _pair(attributes, "dilations")
    padded = _padded(inputs[0], kernel, strides, dilations, attributes, -math.inf)
    return functional.max_pool2d(
        padded, kernel, strides, 0, dilations, ceil_mode=bool(attributes.get("ceil_mode", 0))
    )


@operator("AveragePool")
def _average_pool(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    x, kernel, strides = inputs[0], _pair(attributes, "kernel_shape"), _pair(attributes, "strides")
    ceil_mode = bool(attributes.get("ceil_mode", 0))

    def pooled(planes: Tensor) -> Tensor:
        padded = _padded(planes, kernel, strides, (1, 1), attributes, 0.0)
        return functional.avg_pool2d(padded, kernel, strides, 0, ceil_mode, count_include_pad=False)

    found = pooled(x)
    return found if attributes.get("count_include_pad", 0) else found / pooled(torch.ones_like(x[:1, :1]))


@operator("ReduceMean")
def _reduce_mean(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    axes = attributes.get("axes")
    keeps = bool(attributes.get("keepdims", 1))
    every = list(range(inputs[0].ndim))
    found: Tensor = inputs[0].mean(dim=every if axes is None else list(axes), keepdim=keeps)
    return found


@operator("Concat")
def _concat(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    return torch.cat(list(inputs), dim=attributes["axis"])


@operator("Gemm")
def _gemm(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    left, right, added = [*inputs, None][:3]
    left = left.T if attributes.get("transA", 0) else left
    right = right.T if attributes.get("transB", 0) else right
    product: Tensor = attributes.get("alpha", 1.0) * (left @ right)
    return product if added is None else product + attributes.get("beta", 1.0) * added


@operator("Transpose")
def _transpose(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    found: Tensor = inputs[0].permute(attributes.get("perm", list(range(inputs[0].ndim))[::-1]))
    return found


@operator("Flatten")
def _flatten(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    if attributes.get("axis", 1) != 1:
        raise ValueError("only the axes after the first are flattened")
    found: Tensor = inputs[0].flatten(1)
    return found


@operator("Reshape")
def _reshape(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    x = inputs[0]
    sides = [x.shape[place] if side == 0 else side for place, side in enumerate(attributes["shape"])]
    found: Tensor = x.reshape(sides)
    return found


@operator("Squeeze")
def _squeeze(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    found: Tensor = inputs[0].squeeze(tuple(attributes["axes"]))
    return found


@operator("Unsqueeze")
def _unsqueeze(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    found: Tensor = inputs[0]
    total = found.ndim + len(attributes["axes"])
    for axis in sorted(each % total for each in attributes["axes"]):
        found = found.unsqueeze(axis)
    return found


@operator("Slice")
def _slice(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    x: Tensor = inputs[0]
    starts, ends = attributes["starts"], attributes["ends"]
    axes = attributes.get("axes") or list(range(len(starts)))
    steps = attributes.get("steps") or [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut = [slice(None)] * x.ndim
        cut[axis] = slice(start, end, step)
        x = x[tuple(cut)]
    return x


@operator("Pad")
def _pad(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    pads, mode = list(attributes["pads"]), attributes.get("mode", "constant")
    modes = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}
    half = len(pads) // 2
    if attributes.get("axes") is not None or mode not in modes or half != 4 or any(pads[:2] + pads[4:6]):
        raise ValueError("only height and width are padded, by a constant, by reflection or by the edge")
    sides = (pads[3], pads[7], pads[2], pads[6])
    if modes[mode] != "constant":
        return functional.pad(inputs[0], sides, mode=modes[mode])
    return functional.pad(inputs[0], sides, value=_number(attributes.get("value")) or 0.0)


@operator("Resize")
def _resize(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    x, mode = inputs[0], attributes.get("mode", "nearest")
    sizes, scales = attributes.get("sizes"), attributes.get("scales")
    how = attributes.get("coordinate_transformation_mode", "half_pixel")
    if sizes:
        size = (int(sizes[2]), int(sizes[3]))
    elif scales and list(scales[:2]) == [1, 1]:
        size = (math.floor(x.shape[2] * scales[2]), math.floor(x.shape[3] * scales[3]))
    else:
        raise ValueError("height and width are resized by a known factor")
    if mode == "linear" and how in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        return functional.interpolate(x, size, mode="bilinear", align_corners=how == "align_corners")
    if mode == "nearest" and size[0] % x.shape[2] == 0 and size[1] % x.shape[3] == 0:
        return functional.interpolate(x, size, mode="nearest")
    raise ValueError(f"it does not resize in the mode {mode} with {how}")


@operator("Upsample")
def _upsample(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    return _resize(inputs, {**attributes, "coordinate_transformation_mode": "asymmetric"})


@operator("DepthToSpace")
def _depth_to_space(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    if attributes.get("mode", "DCR") != "CRD":
        raise ValueError("only the mode CRD is known")
    return functional.pixel_shuffle(inputs[0], attributes["blocksize"])


def _number(value: Any) -> float | None:
    """Return a number that may be stored as a list of one."""
    if isinstance(value, list):
        return float(value[0]) if value else None
    return None if value is None else float(value)


def _pair(attributes: Attributes, name: str) -> tuple[int, int]:
    values = attributes.get(name, (1, 1))
    if len(values) != 2:
        raise ValueError(f"{name} is not of height and width")
    return int(values[0]), int(values[1])


def _padded(
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    attributes: Attributes,
    value: float,
) -> Tensor:
    """Pad height and width as `pads` or `auto_pad` say."""
    automatic = attributes.get("auto_pad", "NOTSET")
    pads = list(attributes.get("pads", (0, 0, 0, 0)))
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        pads = [0] * 4
        for axis in (0, 1):
            side, reach = x.shape[2 + axis], (kernel[axis] - 1) * dilations[axis] + 1
            missing = max((-(-side // strides[axis]) - 1) * strides[axis] + reach - side, 0)
            small, large = missing // 2, missing - missing // 2
            first, last = (small, large) if automatic == "SAME_UPPER" else (large, small)
            pads[axis], pads[axis + 2] = first, last
    if not any(pads):
        return x
    top, left, bottom, right = pads
    return functional.pad(x, (left, right, top, bottom), value=value)
