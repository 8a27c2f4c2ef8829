"""Records the calls of torch that depend on the input of a module."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

Emit = Callable[..., str | list[str]]


class UnrecordableError(Exception):
    """A call has no equivalent here. Whoever records has to export the module in another way."""


@dataclass
class Node:
    """A node of an ONNX graph.

    Attributes:
        operator: its type.
        inputs: names of its inputs; an empty one is left out.
        outputs: names of its outputs.
        attributes: by their names.
    """

    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Operand:
    """A tensor that is an argument of a recorded call, as it was before the call.

    Attributes:
        name: of the value in the graph.
        shape: of the tensor.
        dtype: of its elements.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)


Scalar = bool | int | float


@dataclass(frozen=True)
class Joined:
    """Of what a value was joined.

    Attributes:
        axis: along which it was joined, not the batch.
        parts: name and length of each.
    """

    axis: int
    parts: tuple[tuple[str, int], ...]


class Recorder(TorchFunctionMode):
    """Records calls while it is entered as a context.

    What does not depend on the input is computed once, and is a constant of the graph.

    Args:
        operators: emit the nodes of a call, by the name of the function. Each is called with the recorder,
            the result and the arguments of the call, and returns the names of the results.

    Attributes:
        nodes: in the order in which they are computed.
        constants: by their names.
        joined: of what values were joined, by their names.
    """

    def __init__(self, operators: dict[str, Emit]) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.joined: dict[str, Joined] = {}
        self._operators = operators
        self._numbers = itertools.count()
        # The counter of changes in place is shared by all views of an array: it shows whether a name is still
        # the name of what the tensor holds.
        self._known: dict[int, tuple[weakref.ref[Tensor], str, int]] = {}

    def declare(self, tensor: Tensor, name: str) -> None:
        """Give a tensor its name in the graph."""
        self._known[id(tensor)] = weakref.ref(tensor), name, tensor._version

    def name_of(self, tensor: Tensor) -> str:
        """Return the name of a value that depends on the input.

        Raises:
            UnrecordableError: it does not, or it was changed through another view of it.
        """
        if not self._depends(tensor):
            raise UnrecordableError("a value that does not depend on the input")
        _, name, version = self._known[id(tensor)]
        if version != tensor._version:
            raise UnrecordableError("a value that was changed through another view of it")
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return the name of the output."""
        return self.nodes_output(operator, inputs, 1, **attributes)[0]

    def nodes_output(self, operator: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names."""
        outputs = [f"{operator.lower()}_{next(self._numbers)}" for _ in range(count)]
        self.nodes.append(Node(operator, list(inputs), outputs, attributes))
        return outputs

    def constant(self, values: object, dtype: torch.dtype = torch.int64) -> str:
        """Add a constant and return its name."""
        name = f"constant_{next(self._numbers)}"
        self.constants[name] = torch.as_tensor(values, dtype=dtype).numpy().copy()
        return name

    def cast(self, operand: Operand | Scalar, dtype: torch.dtype) -> str:
        """Return the name of an operand in another type."""
        if not isinstance(operand, Operand):
            return self.constant(operand, dtype)
        if operand.dtype == dtype:
            return operand.name
        return self.node("Cast", operand.name, to=onnx_type(dtype))

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the function, and record the call if it depends on the input."""
        kwargs = kwargs or {}
        given = (tuple(args), kwargs)
        if not any(self._depends(each) for each in _tensors(given)):
            return func(*args, **kwargs)
        name = _name(func)
        if name in _ABOUT_SHAPE:
            return func(*args, **kwargs)
        emit = self._operators.get(name.strip("_"))
        if emit is None:
            raise UnrecordableError(f"torch's {name}")
        positional, named = self._operands(given)
        named.pop("inplace", None)
        result = func(*args, **kwargs)
        results = [result] if isinstance(result, Tensor) else result
        if not isinstance(results, tuple | list) or not all(isinstance(each, Tensor) for each in results):
            raise UnrecordableError(f"torch's {name}, whose result the computation may depend on")
        try:
            found = emit(self, result, *positional, **named)
        except TypeError as error:  # arguments that the emitter does not know
            raise UnrecordableError(f"torch's {name}: {error}") from error
        for tensor, output in zip(results, [found] if isinstance(found, str) else found, strict=True):
            self.declare(tensor, output)
        return result

    def _depends(self, tensor: Tensor) -> bool:
        known = self._known.get(id(tensor))
        return known is not None and known[0]() is tensor

    def _operands(self, given: Any) -> Any:
        """Replace the tensors in arguments by operands."""
        if isinstance(given, Tensor):
            name = self.name_of(given) if self._depends(given) else self._constant_of(given)
            return Operand(name, tuple(given.shape), given.dtype)
        if isinstance(given, tuple | list):
            return type(given)(map(self._operands, given)) if type(given) in (tuple, list) else given
        if isinstance(given, dict):
            return {key: self._operands(value) for key, value in given.items()}
        return given

    def _constant_of(self, tensor: Tensor) -> str:
        return self.constant(tensor.detach(), tensor.dtype)


# They give numbers, or values that depend on the shape alone.
_ABOUT_SHAPE = {
    *("shape", "size", "dim", "ndim", "numel", "dtype", "device", "layout", "stride", "requires_grad"),
    *("is_floating_point", "is_contiguous", "is_cuda", "__len__", "__hash__", "new_tensor"),
    *("new_zeros", "new_ones", "new_full", "zeros_like", "ones_like", "full_like", "result_type"),
}


def onnx_type(dtype: torch.dtype) -> int:
    """Return ONNX's number of a type."""
    from onnx import helper

    numpy_type: np.dtype[Any] = torch.empty(0, dtype=dtype).numpy().dtype
    return int(helper.np_dtype_to_tensor_dtype(numpy_type))


def _tensors(given: Any) -> list[Tensor]:
    if isinstance(given, Tensor):
        return [given]
    if isinstance(given, dict):
        given = list(given.values())
    if isinstance(given, tuple | list):
        return [tensor for each in given for tensor in _tensors(each)]
    return []


def _name(func: Any) -> str:
    """Return the name of a function without its module; that of a property for its getter."""
    parts = str(resolve_name(func) or getattr(func, "__name__", func)).split(".")
    return parts[-2] if parts[-1] == "__get__" else parts[-1]
