"""Runs the part of an ONNX graph that leads to its feature maps, read once and then kept as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from excision.errors import ModelError
from excision.features.choice import FeatureChoice
from excision.features.graph.operators import OPERATORS
from excision.features.graph.reading import read_graph
from excision.features.graph.strides import stride_of
from excision.features.network import MOST_FEATURES, Normalise
from excision.features.record import FeatureRecord
from excision.system.files import sha256

IMAGE = "x"
"""Name of the input of a graph; its weights are w0, w1, ..., the results of its steps v0, v1, ..."""

_MOST_VALUES = 2**31  # numbers in one result for one image


class GraphNetwork(nn.Module):
    """The steps of a graph, one after the other.

    Args:
        graph: with the entries
            channels: channels of the images, 1 or 3;
            weights: shape of each weight;
            steps: each with its operator, the names of its inputs ("" for one that is left out), and its
                attributes;
            outputs: names of the feature maps.
        normalise: brings images to the range of the network.
        size: (H, W) of the images, from which strides follow.

    Attributes:
        strides: of the maps.
        channels: of the maps.

    Raises:
        ModelError: the graph has an unknown operator, or it does not run on such images.
    """

    def __init__(self, graph: Mapping[str, Any], normalise: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        self.normalise = normalise
        self.steps = [(OPERATORS.get(s["operator"]), s["inputs"], s["attributes"]) for s in graph["steps"]]
        self.outputs: tuple[str, ...] = tuple(graph["outputs"])
        shapes = {f"w{number}": tuple(shape) for number, shape in enumerate(graph["weights"])}
        unknown = [step["operator"] for step in graph["steps"] if step["operator"] not in OPERATORS]
        if unknown:
            raise ModelError(f"the graph of features has the operator {unknown[0]!r}, which is not known")
        self._forget = self._last_uses()
        found = self._on_paper(shapes, (1, graph["channels"], *size))
        self.channels = tuple(each.shape[1] for each in found)
        self.strides = tuple(stride_of(each.shape, size) or 0 for each in found)
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Turn images (B, C, H, W) in [0, 1] into the maps."""
        return self._run(self.normalise(images), dict(self.named_buffers(recurse=False)))

    def _run(
        self,
        images: Tensor,
        weights: Mapping[str, Tensor],
        check: Callable[[Tensor], None] = lambda _: None,
    ) -> list[Tensor]:
        values: dict[str, Any] = {**weights, IMAGE: images, "": None}
        kept: dict[str, Tensor] = {}
        for number, (function, inputs, attributes) in enumerate(self.steps):
            assert function is not None
            name = f"v{number}"
            values[name] = function([values[each] for each in inputs], attributes)
            check(values[name])
            if name in self.outputs:
                kept[name] = values[name]
            for each in self._forget[number]:
                del values[each]
        return [kept[name] for name in self.outputs]

    def _last_uses(self) -> list[list[str]]:
        """Return the results that are no longer needed after each step."""
        last = {f"v{number}": number for number in range(len(self.steps))}
        for number, (_, inputs, _) in enumerate(self.steps):
            last.update({each: number for each in inputs if each in last})
        forgotten: list[list[str]] = [[] for _ in self.steps]
        for name, number in last.items():
            forgotten[number].append(name)
        return forgotten

    def _on_paper(self, shapes: Mapping[str, Sequence[int]], image: Sequence[int]) -> list[Tensor]:
        """Run the graph without numbers, which takes no memory."""
        meta = torch.device("meta")
        try:
            weights = {name: torch.empty(tuple(shape), device=meta) for name, shape in shapes.items()}
            with torch.no_grad():
                found = self._run(torch.empty(tuple(image), device=meta), weights, _check_size)
            if not found or any(each.ndim != 4 for each in found):
                raise ValueError("a feature map is no map")
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            where = f"images {tuple(image)}"
            raise ModelError(f"the graph of features does not run on {where}: {reason}") from error
        return found


def _check_size(result: Tensor) -> None:
    if result.numel() > _MOST_VALUES:
        raise ValueError("a result is too large")


def describe(choice: FeatureChoice) -> FeatureRecord:
    """Describe the graph of a file.

    Raises:
        ModelError: the file is missing or damaged, or has an operator that is not known.
    """
    found = read_graph(choice)
    channels = found.graph["channels"]
    mean, std = (values if channels == 3 else (sum(values) / 3,) for values in (choice.mean, choice.std))
    return FeatureRecord(
        kind=choice.kind,
        source=choice.path.name,
        licence=found.licence,
        sha256=sha256(choice.path),
        mean=mean,
        std=std,
        size=choice.size,
        strides=found.strides,
        channels=found.channels,
        features=min(MOST_FEATURES, sum(found.channels)),
        graph=found.graph,
    )


def build(record: FeatureRecord) -> GraphNetwork:
    """Build the network of a record without its weights.

    Raises:
        ModelError: the record contains no graph, or one that does not run.
    """
    if record.graph is None:
        raise ModelError("the record of features contains no graph")
    normalise = Normalise(record.mean, record.std, record.graph["channels"])
    return GraphNetwork(record.graph, normalise, record.size)


def load(network: GraphNetwork, choice: FeatureChoice) -> None:
    """Load the weights of a file.

    Raises:
        ModelError: the file is missing or damaged.
    """
    network.load_state_dict({f"w{number}": each for number, each in enumerate(read_graph(choice).weights)})
