"""ONNX's nodes for torch's calls on images: convolution, pooling and resampling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from excision.export.recording.recorder import Emit, Operand, Recorder, UnrecordableError

Pair = int | Sequence[int]


def _conv2d(
    recorder: Recorder,
    result: Tensor,
    operand: Operand,
    weight: Operand,
    bias: Operand | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> str:
    if isinstance(padding, str) or operand.ndim != 4:
        raise UnrecordableError("a convolution with padding by name, or of one image alone")
    inputs = [operand.name, weight.name, *([] if bias is None else [bias.name])]
    return recorder.node(
        "Conv",
        *inputs,
        kernel_shape=list(weight.shape[2:]),
        strides=_pair(stride),
        pads=_pair(padding) * 2,
        dilations=_pair(dilation),
        group=groups,
    )


def _window(kernel_size: Pair, stride: Pair | None, padding: Pair) -> dict[str, list[int]]:
    """Give the attributes of a window that moves over an image; by default by its own size."""
    return {
        "kernel_shape": _pair(kernel_size),
        "strides": _pair(stride or kernel_size),
        "pads": _pair(padding) * 2,
    }


def _avg_pool2d(
    recorder: Recorder,
    result: Tensor,
    operand: Operand,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: None = None,
) -> str:
    padded = any(_pair(padding))
    if divisor_override is not None or (padded and ceil_mode):
        raise UnrecordableError("a mean over windows that count in another way")
    return recorder.node(
        "AveragePool",
        operand.name,
        **_window(kernel_size, stride, padding),
        ceil_mode=int(ceil_mode),
        count_include_pad=int(count_include_pad and padded),
    )


def _max_pool2d(
    recorder: Recorder,
    result: Tensor,
    operand: Operand,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> str:
    if return_indices:
        raise UnrecordableError("the places of largest values")
    return recorder.node(
        "MaxPool",
        operand.name,
        **_window(kernel_size, stride, padding),
        dilations=_pair(dilation),
        ceil_mode=int(ceil_mode),
    )


def _adaptive_avg_pool2d(recorder: Recorder, result: Tensor, operand: Operand, output_size: Pair) -> str:
    if _pair(output_size) != [1, 1]:
        raise UnrecordableError("pooling to another size than one position")
    return recorder.node("GlobalAveragePool", operand.name)


def _interpolate(
    recorder: Recorder,
    result: Tensor,
    operand: Operand,
    size: Pair | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> str:
    kinds: dict[str, dict[str, str | float]] = {
        "nearest": {"mode": "nearest", "nearest_mode": "floor"},
        "bilinear": {"mode": "linear"},
        "bicubic": {"mode": "cubic", "cubic_coeff_a": -0.75},
    }
    scales = [after / before for after, before in zip(result.shape[2:], operand.shape[2:], strict=True)]
    whole = all(scale == int(scale) for scale in scales)
    # With a factor that gives no whole number of pixels, torch lays pixels by the factor, not by the sizes.
    by_sizes = size is not None or bool(recompute_scale_factor)
    if antialias or align_corners or operand.ndim != 4 or mode not in kinds or not (whole or by_sizes):
        raise UnrecordableError(f"interpolation of the kind {mode}, by {scales}")
    attributes = {
        "coordinate_transformation_mode": "asymmetric" if mode == "nearest" else "half_pixel",
        **kinds[mode],
    }
    if whole:
        factors = recorder.constant([1.0, 1.0, *scales], torch.float32)
        return recorder.node("Resize", operand.name, "", factors, **attributes)
    own = recorder.node("Shape", operand.name, start=0, end=2)
    sizes = recorder.node("Concat", own, recorder.constant(list(result.shape[2:])), axis=0)
    return recorder.node("Resize", operand.name, "", "", sizes, **attributes)


def _grid_sample(
    recorder: Recorder,
    result: Tensor,
    operand: Operand,
    grid: Operand,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> str:
    modes = {"bilinear": "linear", "nearest": "nearest", "bicubic": "cubic"}
    places = grid.name
    if (mode, padding_mode, bool(align_corners)) == ("bilinear", "border", False):
        # What lies beyond the centres of the outermost pixels is moved there. ONNX Runtime then takes two
        # thirds of the time, and for two planes little more than for one.
        places, padding_mode = _held_inside(recorder, places, operand.shape[2:]), "zeros"
    return recorder.node(
        "GridSample",
        operand.name,
        places,
        mode=modes[mode],
        padding_mode=padding_mode,
        align_corners=int(bool(align_corners)),
    )


def _held_inside(recorder: Recorder, places: str, size: Sequence[int]) -> str:
    """Clip places (B, h, w, 2) to the centres of the pixels of planes of a size (H, W)."""
    height, width = size
    most = [1 - 1 / width, 1 - 1 / height]
    if height == width:
        bounds = (recorder.constant(sign * most[0], torch.float32) for sign in (-1, 1))
        return recorder.node("Clip", places, *bounds)
    least, largest = (recorder.constant([sign * each for each in most], torch.float32) for sign in (-1, 1))
    return recorder.node("Min", recorder.node("Max", places, least), largest)


def _pair(given: Pair) -> list[int]:
    if isinstance(given, int):
        return [given] * 2
    numbers = list(given)
    return numbers * 2 if len(numbers) == 1 else numbers


SPATIAL: dict[str, Emit] = {
    "conv2d": _conv2d,
    "avg_pool2d": _avg_pool2d,
    "max_pool2d": _max_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "interpolate": _interpolate,
    "grid_sample": _grid_sample,
}
"""By the name of torch's function, without underscores before and after it."""
