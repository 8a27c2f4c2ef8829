"""The record of a feature network, kept in a model: where it comes from, and what it takes and gives."""

from __future__ import annotations

import math
import re
import reprlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from excision.errors import ModelError
from excision.system.files import write_json
from excision.system.strict_json import read_json

FEATURES = "features.json"
"""The record in a run folder or an exported folder; absent if only edges are compared."""

LICENCE_UNKNOWN = "not stated by the file"

_MOST_TEXT = 500  # characters
_MOST_NUMBER = 2**16
_MOST_MAPS = 8
_MOST_STEPS = 20_000
_MOST_NUMBERS = 64  # in one list of a graph
_SHA256 = re.compile(r"[0-9a-f]{64}")


FINE_CELL, COARSE_CELL = 8, 32
"""Sides in pixels of the square that one set of features describes: one position of a grid."""

_FINEST_OF_COARSE = 32  # stride from which on a map is compared on the coarse grid


class Grid(NamedTuple):
    """The feature maps that are compared together, and on which grid of positions.

    Attributes:
        name: "fine" or "coarse".
        cell: side of a position in pixels.
        maps: places of the maps among all maps of the network.
        strides: of these maps.
        channels: of these maps.
        features: number of features of a position after the projection.
    """

    name: str
    cell: int
    maps: tuple[int, ...]
    strides: tuple[int, ...]
    channels: tuple[int, ...]
    features: int


@dataclass(frozen=True, slots=True)
class FeatureRecord:
    """What is known about a feature network.

    Attributes:
        kind: entry of the registry: the name of a packaged network or of an architecture, or "onnx".
        source: name of the file of weights, or of the package with its version.
        licence: licence of the weights, as the package or the file states it.
        sha256: SHA-256 of the file of weights.
        mean: subtracted from each channel of the image in [0, 1]; one value, or one for each channel.
        std: what the difference is then divided by.
        size: (H, W) in pixels of the images that it is given: that of the working image.
        strides: pixels between neighbouring positions of each feature map, in rising order.
        channels: channels of each feature map.
        features: most features of a position after the projection, on each grid.
        graph: steps of an ONNX graph, as `GraphNetwork` takes them; None for other kinds.
    """

    kind: str
    source: str
    licence: str
    sha256: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int]
    strides: tuple[int, ...]
    channels: tuple[int, ...]
    features: int
    graph: dict[str, Any] | None = None

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The grids of positions, finer first: small defects are seen on one, what a part is on the other."""
        coarse = [stride >= _FINEST_OF_COARSE for stride in self.strides]
        grids = []
        for name, cell, wanted in (("fine", FINE_CELL, False), ("coarse", COARSE_CELL, True)):
            maps = tuple(place for place, is_coarse in enumerate(coarse) if is_coarse == wanted)
            strides = tuple(self.strides[place] for place in maps)
            channels = tuple(self.channels[place] for place in maps)
            if maps:
                grids.append(Grid(name, cell, maps, strides, channels, min(self.features, sum(channels))))
        return tuple(grids)

    def explain(self) -> str:
        """Describe the network in one line."""
        maps = " and ".join(
            f"{stride} ({count})" for stride, count in zip(self.strides, self.channels, strict=True)
        )
        return (
            f"{self.kind} from {self.source}, licence {self.licence}, SHA-256 {self.sha256[:12]}; "
            f"strides (channels) {maps}, projected to {self.features} features"
        )

    def save(self, path: Path) -> None:
        """Write the record as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> FeatureRecord:
        """Read a record.

        Raises:
            ModelError: the file is missing or damaged.
        """
        content = read_json(path)
        try:
            return cls(**_checked(content))
        except (TypeError, ValueError) as error:
            raise ModelError(f"{path}: this is not the record of a feature network: {error}") from error


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _checked(content: Any) -> dict[str, Any]:
    """Return the arguments of a record; every number is bounded, since memory is taken by it."""
    _require(isinstance(content, dict), "it is no object")
    names = set(FeatureRecord.__dataclass_fields__)
    _require(set(content) == names, f"its entries are not {', '.join(sorted(names))}")
    for name in ("kind", "source", "licence", "sha256"):
        text = content[name]
        _require(isinstance(text, str) and len(text) <= _MOST_TEXT, f"{name} is {reprlib.repr(text)}")
    _require(_SHA256.fullmatch(content["sha256"]) is not None, "sha256 is no SHA-256")
    size, strides = _whole(content, "size"), _whole(content, "strides")
    channels = _whole(content, "channels")
    _require(len(size) == 2, "size is not [height, width]")
    _require(len(strides) == len(channels) <= _MOST_MAPS, "strides and channels do not match")
    _require(list(strides) == sorted(strides), "strides do not ascend")
    mean, std = _numbers(content, "mean"), _numbers(content, "std")
    _require(len(mean) == len(std) and len(mean) in (1, 3), "mean and std are not of one or three channels")
    _require(min(std) > 0, "std is not above 0")
    features = content["features"]
    fits = _is_whole(features) and 1 <= features <= sum(channels)
    _require(fits, "features is no number of features")
    if content["graph"] is not None:
        _check_graph(content["graph"])
    return {**content, "mean": mean, "std": std, "size": size, "strides": strides, "channels": channels}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(content: dict[str, Any], name: str) -> tuple[int, ...]:
    values = content[name]
    fits = isinstance(values, list) and 0 < len(values) <= _MOST_MAPS
    fits = fits and all(_is_whole(value) and 0 < value <= _MOST_NUMBER for value in values)
    _require(fits, f"{name} is {reprlib.repr(values)}")
    return tuple(values)


def _numbers(content: dict[str, Any], name: str) -> tuple[float, ...]:
    values = content[name]
    fits = isinstance(values, list) and 0 < len(values) <= _MOST_MAPS
    fits = fits and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    _require(fits and all(map(math.isfinite, values)), f"{name} is {reprlib.repr(values)}")
    return tuple(map(float, values))


def _check_graph(graph: Any) -> None:
    """Check the form of a graph; its operators and references are checked where it is built."""
    _require(isinstance(graph, dict) and set(graph) == {"channels", "weights", "steps", "outputs"}, "graph")
    _require(graph["channels"] in (1, 3), "graph.channels is neither 1 nor 3")
    for name in ("weights", "steps", "outputs"):
        values = graph[name]
        _require(isinstance(values, list) and len(values) <= _MOST_STEPS, f"graph.{name} is no short list")
    for shape in graph["weights"]:
        fits = isinstance(shape, list) and len(shape) <= _MOST_MAPS
        _require(fits and all(_is_whole(side) and 0 <= side <= 2**24 for side in shape), "graph.weights")
    for step in graph["steps"]:
        _require(isinstance(step, dict) and set(step) == {"operator", "inputs", "attributes"}, "graph.steps")
        _require(isinstance(step["operator"], str), "graph.steps: an operator is no text")
        inputs, attributes = step["inputs"], step["attributes"]
        _require(isinstance(inputs, list) and len(inputs) <= _MOST_NUMBERS, "graph.steps: inputs")
        _require(all(isinstance(each, str) and len(each) <= 8 for each in inputs), "graph.steps: inputs")
        _require(isinstance(attributes, dict) and len(attributes) <= _MOST_NUMBERS, "graph.steps: attributes")
        for value in attributes.values():
            _require(
                all(map(_plain, value if isinstance(value, list) else [value])), "graph.steps: attributes"
            )
            _require(not isinstance(value, list) or len(value) <= _MOST_NUMBERS, "graph.steps: attributes")
    fits = all(isinstance(each, str) and len(each) <= 8 for each in graph["outputs"])
    _require(fits and len(graph["outputs"]) <= _MOST_MAPS, "graph.outputs")


def _plain(value: Any) -> bool:
    """Tell whether a value is a short text or a number that cannot ask for much memory."""
    if isinstance(value, str):
        return len(value) <= _MOST_TEXT
    if value is None or isinstance(value, bool):
        return True
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) <= 2**31
