"""Operators that arrange values anew, cut them or pad them, and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from excision.features.graph.operators.registry import Attributes, number, operator


@operator("Concat")
def _concat(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    return torch.cat(list(inputs), dim=attributes["axis"])


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
    return functional.pad(inputs[0], sides, value=number(attributes.get("value")) or 0.0)


@operator("DepthToSpace")
def _depth_to_space(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    if attributes.get("mode", "DCR") != "CRD":
        raise ValueError("only the mode CRD is known")
    return functional.pixel_shuffle(inputs[0], attributes["blocksize"])
