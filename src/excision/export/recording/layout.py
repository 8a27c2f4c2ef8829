"""ONNX's nodes for torch's calls that only rearrange elements."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from excision.export.recording.recorder import Emit, Joined, Operand, Recorder, Scalar, UnrecordableError

_TO_THE_END = 2**63 - 1


def _same(recorder: Recorder, result: Tensor, operand: Operand, *_: object, **__: object) -> str:
    return operand.name


def _reshape(recorder: Recorder, result: Tensor, operand: Operand, *_: object, **__: object) -> str:
    if operand.dtype != result.dtype:
        raise UnrecordableError("a view in another type")
    if operand.shape == tuple(result.shape):
        return operand.name
    return recorder.node("Reshape", operand.name, recorder.constant(list(result.shape)))


def _permute(recorder: Recorder, result: Tensor, operand: Operand, *dims: int | Sequence[int]) -> str:
    order = _flat(dims)
    return recorder.node("Transpose", operand.name, perm=[axis % operand.ndim for axis in order])


def _transpose(recorder: Recorder, result: Tensor, operand: Operand, dim0: int, dim1: int) -> str:
    order = list(range(operand.ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return recorder.node("Transpose", operand.name, perm=order)


def _turned(recorder: Recorder, result: Tensor, operand: Operand) -> str:
    return recorder.node("Transpose", operand.name, perm=list(reversed(range(operand.ndim))))


def _last_two(recorder: Recorder, result: Tensor, operand: Operand) -> str:
    return _transpose(recorder, result, operand, -2, -1)


def _expand(recorder: Recorder, result: Tensor, operand: Operand, *_: object, **__: object) -> str:
    # A length of 1 keeps that of the operand.
    own = (1,) * (result.ndim - operand.ndim) + operand.shape
    wanted = [1 if side == before else side for side, before in zip(result.shape, own, strict=True)]
    if len(own) == operand.ndim and set(wanted) <= {1}:
        return operand.name
    return recorder.node("Expand", operand.name, recorder.constant(wanted))


def _repeat(recorder: Recorder, result: Tensor, operand: Operand, *repeats: int | Sequence[int]) -> str:
    times = _flat(repeats)
    if len(times) != operand.ndim:
        raise UnrecordableError("a repetition along new dimensions")
    return recorder.node("Tile", operand.name, recorder.constant(times))


def _slice(recorder: Recorder, operand: Operand, slices: dict[int, slice]) -> str:
    """Cut slices of axes, by their numbers."""
    # The batch may have any length.
    cut = {axis: each for axis, each in slices.items() if axis == 0 or not _is_all(each, operand.shape[axis])}
    if not cut:
        return operand.name
    if (part := _joined_part(recorder, operand, cut)) is not None:
        return part
    starts = [each.start or 0 for each in cut.values()]
    ends = [_TO_THE_END if each.stop is None else each.stop for each in cut.values()]
    steps = [each.step or 1 for each in cut.values()]
    return recorder.node("Slice", operand.name, *map(recorder.constant, (starts, ends, list(cut), steps)))


def _is_all(cut: slice, length: int) -> bool:
    return cut.indices(length) == (0, length, 1)


def _joined_part(recorder: Recorder, operand: Operand, cut: dict[int, slice]) -> str | None:
    """Return the name of what was joined to the operand, where one axis is cut to just that part of it."""
    joined = recorder.joined.get(operand.name)
    if joined is None or [*cut] != [joined.axis]:
        return None
    start = 0
    for name, length in joined.parts:
        if cut[joined.axis].indices(operand.shape[joined.axis]) == (start, start + length, 1):
            return name
        start += length
    return None


def _narrow(recorder: Recorder, result: Tensor, operand: Operand, dim: int, start: int, length: int) -> str:
    axis = dim % operand.ndim
    if start < 0:
        start += operand.shape[axis]
    return _slice(recorder, operand, {axis: slice(start, start + length)})


def _getitem(recorder: Recorder, result: Tensor, operand: Operand, index: object) -> str:
    if isinstance(index, Operand) and index.dtype == torch.int64:
        return recorder.node("Gather", operand.name, index.name, axis=0)
    parts = list(index) if isinstance(index, tuple) else [index]
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    slices: dict[int, slice] = {}
    axis = 0
    for part in parts:
        if part is None:
            continue
        if part is Ellipsis:
            axis += operand.ndim - taken
            continue
        if isinstance(part, slice):
            if part != slice(None):
                slices[axis] = part
        elif isinstance(part, int) and not isinstance(part, bool):
            slices[axis] = slice(part, part + 1 if part != -1 else None)
        else:
            raise UnrecordableError("an index that is not a number or a slice")
        axis += 1
    name = _slice(recorder, operand, slices)
    if all(isinstance(part, slice) or part is Ellipsis for part in parts):
        return name
    return recorder.node("Reshape", name, recorder.constant(list(result.shape)))


def _split(
    recorder: Recorder,
    result: Sequence[Tensor],
    operand: Operand,
    sizes: int | Sequence[int],
    dim: int = 0,
) -> list[str]:
    axis = dim % operand.ndim
    lengths = [part.shape[axis] for part in result]
    inputs = (operand.name, recorder.constant(lengths))
    return recorder.nodes_output("Split", inputs, len(lengths), axis=axis)


def _cat(recorder: Recorder, result: Tensor, tensors: Sequence[Operand], dim: int = 0) -> str:
    parts = [each for each in tensors if each.shape != (0,)]
    names, axis = [recorder.cast(each, result.dtype) for each in parts], dim % result.ndim
    name = recorder.node("Concat", *names, axis=axis)
    if axis > 0:
        lengths = (each.shape[axis] for each in parts)
        recorder.joined[name] = Joined(axis, tuple(zip(names, lengths, strict=True)))
    return name


def _stack(recorder: Recorder, result: Tensor, tensors: Sequence[Operand], dim: int = 0) -> str:
    axis = recorder.constant([dim % result.ndim])
    names = [recorder.node("Unsqueeze", recorder.cast(each, result.dtype), axis) for each in tensors]
    return recorder.node("Concat", *names, axis=dim % result.ndim)


def _pad(
    recorder: Recorder,
    result: Tensor,
    operand: Operand,
    pad: Sequence[int],
    mode: str = "constant",
    value: Scalar | None = None,
) -> str:
    if not any(pad):
        return operand.name
    modes = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}
    if mode not in modes:
        raise UnrecordableError(f"padding of the kind {mode}")
    # torch names the last axis first, each with its beginning and its end.
    before, after = ([0] * (operand.ndim - len(pad) // 2) + list(pad[side::2])[::-1] for side in (0, 1))
    inputs = [operand.name, recorder.constant(before + after)]
    if value:
        inputs.append(recorder.constant(value, operand.dtype))
    return recorder.node("Pad", *inputs, mode=modes[mode])


def _pixel_shuffle(recorder: Recorder, result: Tensor, operand: Operand, upscale_factor: int) -> str:
    return recorder.node("DepthToSpace", operand.name, mode="CRD", blocksize=upscale_factor)


def _flat(numbers: Sequence[int | Sequence[int]]) -> list[int]:
    """Return numbers that were given one by one, or as one sequence."""
    flat: list[int] = []
    for each in numbers:
        flat.extend([each] if isinstance(each, int) else each)
    return flat


LAYOUT: dict[str, Emit] = {
    **dict.fromkeys(("contiguous", "clone", "detach", "alias"), _same),
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as"), _reshape),
    **dict.fromkeys(("squeeze", "unsqueeze"), _reshape),
    "permute": _permute,
    "transpose": _transpose,
    "T": _turned,
    "mT": _last_two,
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), _expand),
    "repeat": _repeat,
    "narrow": _narrow,
    "getitem": _getitem,
    **dict.fromkeys(("split", "chunk"), _split),
    **dict.fromkeys(("cat", "concat"), _cat),
    "stack": _stack,
    "pad": _pad,
    "pixel_shuffle": _pixel_shuffle,
}
"""By the name of torch's function, without underscores before and after it."""
