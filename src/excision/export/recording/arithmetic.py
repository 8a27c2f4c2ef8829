"""ONNX's nodes for torch's calls that compute each element by itself, and that reduce or order elements."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from excision.export.recording.recorder import Emit, Operand, Recorder, Scalar, UnrecordableError, onnx_type

Given = Operand | Scalar
Axes = int | Sequence[int] | None


def _two(operator: str, *, turned: bool = False) -> Emit:
    def emit(recorder: Recorder, result: Tensor, left: Given, right: Given) -> str:
        first, second = (right, left) if turned else (left, right)
        names = [recorder.cast(each, result.dtype) for each in (first, second)]
        return recorder.node(operator, *names)

    return emit


def _compare(operator: str, *, negated: bool = False) -> Emit:
    def emit(recorder: Recorder, result: Tensor, left: Operand, right: Given) -> str:
        if isinstance(right, Operand) and right.dtype != left.dtype:
            raise UnrecordableError("a comparison of two types")
        if isinstance(right, float) and not left.dtype.is_floating_point:
            raise UnrecordableError("a comparison of two types")
        found = recorder.node(operator, left.name, recorder.cast(right, left.dtype))
        return recorder.node("Not", found) if negated else found

    return emit


def _logical(operator: str) -> Emit:
    def emit(recorder: Recorder, result: Tensor, *operands: Operand) -> str:
        if any(each.dtype != torch.bool for each in operands):
            raise UnrecordableError("bits of numbers")
        return recorder.node(operator, *(each.name for each in operands))

    return emit


def _one(*operators: str) -> Emit:
    """Apply operators to one operand, one after another."""

    def emit(recorder: Recorder, result: Tensor, operand: Operand) -> str:
        name = recorder.cast(operand, result.dtype)
        for operator in operators:
            name = recorder.node(operator, name)
        return name

    return emit


def _square(recorder: Recorder, result: Tensor, operand: Operand) -> str:
    return recorder.node("Mul", operand.name, operand.name)


def _power(recorder: Recorder, result: Tensor, operand: Operand, exponent: Given) -> str:
    if exponent == 2:
        return _square(recorder, result, operand)
    return recorder.node("Pow", *(recorder.cast(each, result.dtype) for each in (operand, exponent)))


def _silu(recorder: Recorder, result: Tensor, operand: Operand) -> str:
    return recorder.node("Mul", operand.name, recorder.node("Sigmoid", operand.name))


def _gelu(recorder: Recorder, result: Tensor, operand: Operand, *, approximate: str = "none") -> str:
    return recorder.node("Gelu", operand.name, approximate=approximate)


def _softmax(
    recorder: Recorder, result: Tensor, operand: Operand, dim: int, _stacklevel: int = 3, dtype: None = None
) -> str:
    if dtype is not None:
        raise UnrecordableError("a softmax in another type")
    return recorder.node("Softmax", operand.name, axis=dim)


def _clamp(
    recorder: Recorder, result: Tensor, operand: Operand, min: Given | None = None, max: Given | None = None
) -> str:
    name = recorder.cast(operand, result.dtype)
    if isinstance(min, Operand) or isinstance(max, Operand):
        for operator, bound in (("Max", min), ("Min", max)):
            if bound is not None:
                name = recorder.node(operator, name, recorder.cast(bound, result.dtype))
        return name
    bounds = ["" if bound is None else recorder.constant(bound, result.dtype) for bound in (min, max)]
    return recorder.node("Clip", name, *(bounds if bounds[1] else bounds[:1]))


def _clamp_min(recorder: Recorder, result: Tensor, operand: Operand, min: Given) -> str:
    return _clamp(recorder, result, operand, min=min)


def _clamp_max(recorder: Recorder, result: Tensor, operand: Operand, max: Given) -> str:
    return _clamp(recorder, result, operand, max=max)


def _relu6(recorder: Recorder, result: Tensor, operand: Operand) -> str:
    return _clamp(recorder, result, operand, min=0, max=6)


def _where(recorder: Recorder, result: Tensor, condition: Operand, yes: Given, no: Given) -> str:
    names = [recorder.cast(each, result.dtype) for each in (yes, no)]
    return recorder.node("Where", condition.name, *names)


def _masked_fill(recorder: Recorder, result: Tensor, operand: Operand, mask: Operand, value: Given) -> str:
    return _where(recorder, result, mask, value, operand)


def _convert(recorder: Recorder, result: Tensor, operand: Operand, *_: object, **__: object) -> str:
    if operand.dtype == result.dtype:
        return operand.name
    if result.dtype == torch.bool:
        raise UnrecordableError("numbers as truth values")
    return recorder.node("Cast", operand.name, to=onnx_type(result.dtype))


def _reduce(operator: str) -> Emit:
    def emit(
        recorder: Recorder,
        result: Tensor,
        operand: Operand,
        dim: Axes = None,
        keepdim: bool = False,
        *,
        dtype: torch.dtype | None = None,
    ) -> str:
        name = recorder.cast(operand, result.dtype)
        axes = range(operand.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
        return recorder.node(operator, name, recorder.constant(list(axes)), keepdims=int(keepdim))

    return emit


def _extreme(kind: str) -> Emit:
    """Of two values, of all, or along an axis with its place."""

    def emit(
        recorder: Recorder,
        result: Tensor | tuple[Tensor, Tensor],
        operand: Operand,
        dim: Operand | int | None = None,
        keepdim: bool = False,
    ) -> str | list[str]:
        if isinstance(dim, Operand):
            return recorder.node(kind, operand.name, dim.name)
        axes = recorder.constant(list(range(operand.ndim)) if dim is None else [dim])
        values = recorder.node(f"Reduce{kind}", operand.name, axes, keepdims=int(keepdim))
        if dim is None:
            return values
        return [values, recorder.node(f"Arg{kind}", operand.name, axis=dim, keepdims=int(keepdim))]

    return emit


def _extreme_place(operator: str) -> Emit:
    def emit(
        recorder: Recorder, result: Tensor, operand: Operand, dim: int | None = None, keepdim: bool = False
    ) -> str:
        if dim is None:
            raise UnrecordableError("the place of an extreme among all")
        return recorder.node(operator, operand.name, axis=dim, keepdims=int(keepdim))

    return emit


def _topk(
    recorder: Recorder,
    result: tuple[Tensor, Tensor],
    operand: Operand,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
) -> list[str]:
    inputs = (operand.name, recorder.constant([k]))
    return recorder.nodes_output("TopK", inputs, 2, axis=dim, largest=int(largest), sorted=int(sorted))


def _cumsum(recorder: Recorder, result: Tensor, operand: Operand, dim: int) -> str:
    return recorder.node("CumSum", recorder.cast(operand, result.dtype), recorder.constant(dim))


def _gather(recorder: Recorder, result: Tensor, operand: Operand, dim: int, index: Operand) -> str:
    return recorder.node("GatherElements", operand.name, index.name, axis=dim)


ARITHMETIC: dict[str, Emit] = {
    **{name: _two("Add") for name in ("add", "radd", "iadd")},
    **{name: _two("Sub") for name in ("sub", "isub")},
    **{name: _two("Mul") for name in ("mul", "rmul", "imul")},
    **{name: _two("Div") for name in ("div", "truediv", "itruediv", "idiv")},
    "rsub": _two("Sub", turned=True),
    **{name: _two("Div", turned=True) for name in ("rdiv", "rtruediv")},
    "maximum": _two("Max"),
    "minimum": _two("Min"),
    "pow": _power,
    **{name: _compare("Greater") for name in ("gt", "greater")},
    **{name: _compare("Less") for name in ("lt", "less")},
    **{name: _compare("GreaterOrEqual") for name in ("ge", "greater_equal")},
    **{name: _compare("LessOrEqual") for name in ("le", "less_equal")},
    "eq": _compare("Equal"),
    "ne": _compare("Equal", negated=True),
    **{name: _logical("And") for name in ("and", "logical_and", "bitwise_and", "iand")},
    **{name: _logical("Or") for name in ("or", "logical_or", "bitwise_or", "ior")},
    **{name: _logical("Not") for name in ("invert", "logical_not", "bitwise_not")},
    "neg": _one("Neg"),
    "abs": _one("Abs"),
    "sqrt": _one("Sqrt"),
    "rsqrt": _one("Sqrt", "Reciprocal"),
    "reciprocal": _one("Reciprocal"),
    "exp": _one("Exp"),
    "log": _one("Log"),
    "sin": _one("Sin"),
    "cos": _one("Cos"),
    "tanh": _one("Tanh"),
    "sigmoid": _one("Sigmoid"),
    "relu": _one("Relu"),
    "softsign": _one("Softsign"),
    "hardswish": _one("HardSwish"),
    "relu6": _relu6,
    "silu": _silu,
    "gelu": _gelu,
    "softmax": _softmax,
    "square": _square,
    **dict.fromkeys(("clamp", "clip"), _clamp),
    "clamp_min": _clamp_min,
    "clamp_max": _clamp_max,
    "where": _where,
    "masked_fill": _masked_fill,
    **dict.fromkeys(("to", "type_as", "float", "double", "long", "int"), _convert),
    "mean": _reduce("ReduceMean"),
    "sum": _reduce("ReduceSum"),
    "amax": _reduce("ReduceMax"),
    "amin": _reduce("ReduceMin"),
    "min": _extreme("Min"),
    "max": _extreme("Max"),
    "argmin": _extreme_place("ArgMin"),
    "argmax": _extreme_place("ArgMax"),
    "topk": _topk,
    "cumsum": _cumsum,
    "gather": _gather,
}
"""By the name of torch's function, without underscores before and after it."""
