"""Operators that are layers of networks: convolution, pooling, normalisation and resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from excision.features.graph.operators.registry import Attributes, operator


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
