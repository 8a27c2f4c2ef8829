"""Follows the nodes of an ONNX graph without computing numbers, to learn what each of them gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from excision.errors import ModelError
from excision.features.graph.operators import CONSTANT_INPUTS, OPERATORS
from excision.features.graph.strides import WANTED, coarseness, stride_of

_MOST_LISTED = 64  # numbers of an attribute


@dataclass(frozen=True, slots=True)
class ReadGraph:
    """What was read from a file.

    Attributes:
        graph: the steps that lead to the maps, as `GraphNetwork` takes them.
        weights: its weights, float32.
        strides: of the maps, in rising order.
        channels: of the maps.
        licence: as the file states it.
        names: of the maps in the file.
    """

    graph: dict[str, Any]
    weights: list[Tensor]
    strides: tuple[int, ...]
    channels: tuple[int, ...]
    licence: str
    names: tuple[str, ...]


@dataclass(slots=True)
class _Value:
    """A result of the graph for one image, without numbers.

    Attributes:
        tensor: on the device "meta".
        coarsest: largest stride among the maps that it is computed from, and its own.
        step: number of the step that computes it; None for the image.
    """

    tensor: Tensor
    coarsest: int
    step: int | None


class Walk:
    """Follows the nodes of a graph without computing numbers.

    Args:
        path: of the file, for messages.
        model: the file.
        size: (H, W) of the images.
    """

    def __init__(self, path: Path, model: Any, size: tuple[int, int]) -> None:
        self.path, self.size = path, size
        self.weights: dict[str, Tensor] = {t.name: self._tensor(t) for t in model.graph.initializer}
        inputs = [each for each in model.graph.input if each.name not in self.weights]
        self.channels = self._channels(inputs)
        image = torch.empty(1, self.channels, *size, device="meta")
        self.image = inputs[0].name
        self.values = {self.image: _Value(image, 1, None)}
        self.steps: list[tuple[str, list[str], dict[str, Any], str]] = []
        self.unknown: dict[str, str] = {}  # results that cannot be computed, and why

    def _channels(self, inputs: Sequence[Any]) -> int:
        if len(inputs) != 1:
            raise ModelError(f"{self.path}: the graph has {len(inputs)} inputs: it must have one, the image")
        sides = inputs[0].type.tensor_type.shape.dim
        channels = sides[1].dim_value if len(sides) == 4 else 0
        if channels not in (1, 3):
            raise ModelError(
                f"{self.path}: the input of the graph is no image (N, C, H, W) with C of 1 or 3: export the "
                "network with channels first"
            )
        return int(channels)

    def run(self, nodes: Sequence[Any], names_given: bool) -> None:
        """Follow the nodes in order.

        Args:
            nodes: of the graph.
            names_given: whether the maps are named, so that operators elsewhere do not matter.
        """
        for node in nodes:
            behind = next((self.unknown[name] for name in node.input if name in self.unknown), None)
            reason = self._follow(node) if behind is None else None
            if behind is None and reason is None:
                continue
            told = f"{self.path}: the operator {node.op_type} (node {node.name or node.output[0]!r}) {reason}"
            known = [self.values[name].coarsest for name in node.input if name in self.values]
            if behind is None and known and max(known) <= WANTED[-1] and not names_given:
                # Only what comes after the maps may be unknown.
                raise ModelError(f"{told}: name feature maps before it with score.feature_maps")
            self.unknown.update(dict.fromkeys(node.output, behind or told))

    def _follow(self, node: Any) -> str | None:
        """Follow a node; returns why it cannot be followed."""
        if node.op_type == "Constant":
            self.weights[node.output[0]] = self._constant(node)
            return None
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            return f"is not known; known are {', '.join(sorted(OPERATORS))}"
        try:
            inputs, attributes = self._arguments(node)
            self._keep(node, inputs, attributes)
        except KeyError as error:
            return f"has an input that is not constant, or lacks one: {error}"
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            return f"does not run on images of {self.size} pixels: {' '.join(str(error).split())[:200]}"
        return None

    def _keep(self, node: Any, inputs: list[str], attributes: dict[str, Any]) -> None:
        """Compute a node without numbers or, if all of its inputs are constant, with them."""
        function, output = OPERATORS[node.op_type], node.output[0]
        if not any(name in self.values for name in inputs):
            constants = [self.weights[name] if name else None for name in inputs]
            self.weights[output] = function(constants, attributes)
            return
        if node.op_type == "Reshape" and attributes["shape"][:1] == [1]:
            # A graph that was exported for one image: the number of images is kept.
            attributes["shape"] = [0, *attributes["shape"][1:]]
        with torch.no_grad():
            found = function([self._of(name) for name in inputs], attributes)
        before = max(self.values[name].coarsest for name in inputs if name in self.values)
        coarsest = max(before, coarseness(found.shape, self.size))
        self.values[output] = _Value(found, coarsest, len(self.steps))
        self.steps.append((node.op_type, inputs, attributes, output))

    def stride(self, name: str) -> int | None:
        """Return the stride of a result; None if it is no map."""
        return stride_of(self.values[name].tensor.shape, self.size)

    def _of(self, name: str) -> Tensor | None:
        if not name:
            return None
        return self.values[name].tensor if name in self.values else self.weights[name].to("meta")

    def _arguments(self, node: Any) -> tuple[list[str], dict[str, Any]]:
        """Return the names of the inputs, and the attributes with the inputs that must be constant."""
        from onnx import helper

        attributes = {}
        for each in node.attribute:
            value = helper.get_attribute_value(each)
            value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            listed = isinstance(value, Sequence) and not isinstance(value, str)
            attributes[each.name] = list(value) if listed else value
        constant = CONSTANT_INPUTS.get(node.op_type, {})
        for place, name in enumerate(node.input):
            if place in constant and name:
                numbers = self.weights[name].flatten()
                if len(numbers) > _MOST_LISTED:
                    raise ValueError(f"{constant[place]} has too many numbers")
                values = [int(v) if float(v).is_integer() else v for v in numbers.tolist()]
                attributes[constant[place]] = [v for v in values if math.isfinite(v)]
        return [name for place, name in enumerate(node.input) if place not in constant], attributes

    def _constant(self, node: Any) -> Tensor:
        for each in node.attribute:
            if each.name == "value":
                return self._tensor(each.t)
            if each.name in ("value_float", "value_floats", "value_int", "value_ints"):
                from onnx import helper

                return torch.tensor(helper.get_attribute_value(each), dtype=torch.float64)
        return torch.empty(0)

    def _tensor(self, stored: Any) -> Tensor:
        from onnx import TensorProto, numpy_helper

        if stored.data_location == TensorProto.EXTERNAL:
            raise ModelError(f"{self.path}: its weights are in another file: save the graph as a single file")
        try:
            array = numpy_helper.to_array(stored)
            # Whole numbers are shapes and axes, which float32 cannot always hold.
            return torch.from_numpy(array.astype("float64" if array.dtype.kind in "iub" else "float32"))
        except (TypeError, ValueError) as error:
            raise ModelError(f"{self.path}: the weight {stored.name!r} cannot be read: {error}") from error

    def trimmed(self, chosen: Sequence[str], licence: str) -> ReadGraph:
        """Keep the steps that lead to the chosen values."""
        maps = sorted((self.stride(name) or 0, place) for place, name in enumerate(chosen))
        names = [chosen[place] for _, place in maps]
        needed, waiting = set[int](), [self.values[name].step for name in names]
        while waiting:
            number = waiting.pop()
            if number is not None and number not in needed:
                needed.add(number)
                waiting += [self.values[name].step for name in self.steps[number][1] if name in self.values]
        called, weights, steps = {self.image: "x", "": ""}, list[Tensor](), list[dict[str, Any]]()
        for number in sorted(needed):
            kind, inputs, attributes, output = self.steps[number]
            for name in inputs:
                if name not in called:
                    called[name] = f"w{len(weights)}"
                    weights.append(self.weights[name].float())
            steps.append(
                {"operator": kind, "inputs": [called[name] for name in inputs], "attributes": attributes}
            )
            called[output] = f"v{len(steps) - 1}"
        graph = {
            "channels": self.channels,
            "weights": [list(each.shape) for each in weights],
            "steps": steps,
            "outputs": [called[name] for name in names],
        }
        channels = tuple(int(self.values[name].tensor.shape[1]) for name in names)
        return ReadGraph(graph, weights, tuple(stride for stride, _ in maps), channels, licence, tuple(names))
