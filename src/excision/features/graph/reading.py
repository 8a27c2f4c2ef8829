"""Reads an ONNX file: finds its feature maps, and keeps the steps that lead to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from excision.errors import ModelError
from excision.features.choice import FeatureChoice
from excision.features.graph.following import ReadGraph, Walk
from excision.features.graph.strides import WANTED
from excision.features.record import LICENCE_UNKNOWN

_MOST_BYTES = 2**30  # of a file
_MOST_NODES = 20_000
_MOST_LICENCE = 100  # characters
_LEAST_CHANNELS = 4  # fewer are no features but an image or a map of scores


def read_graph(choice: FeatureChoice) -> ReadGraph:
    """Read the part of a graph that leads to its feature maps.

    Unless the choice names the maps, they are the last one of stride 8 and the last one of stride 16 that are
    computed from nothing coarser: the ends of these stages of the encoder.

    Raises:
        ModelError: the file is missing or damaged, or has an operator that is not known, or no such maps.
    """
    path = choice.path
    model = _loaded(path)
    walk = Walk(path, model, choice.size)
    walk.run(model.graph.node, names_given=bool(choice.maps))
    chosen = _named(walk, choice.maps) if choice.maps else _ends(walk)
    return walk.trimmed(chosen, _licence(model))


def _ends(walk: Walk) -> list[str]:
    """Return the last map of each wanted stride that is computed from nothing coarser."""
    ends: dict[int, str] = {}
    for *_, name in walk.steps:
        value = walk.values[name]
        stride = walk.stride(name)
        if stride in WANTED and value.coarsest == stride and value.tensor.shape[1] >= _LEAST_CHANNELS:
            ends[stride] = name
    if not ends:
        raise ModelError(
            f"{walk.path}: the graph has no feature map of stride 8 or 16 on images of {walk.size}"
        )
    return list(ends.values())


def _named(walk: Walk, names: Sequence[str]) -> list[str]:
    for name in names:
        if name in walk.unknown:
            raise ModelError(walk.unknown[name])
        if name not in walk.values or walk.values[name].step is None:
            raise ModelError(
                f"{walk.path}: the graph has no tensor {name!r}; its stages of stride 8 and 16 end with "
                f"{' and '.join(_ends(walk))}"
            )
        if walk.stride(name) is None:
            shape = tuple(walk.values[name].tensor.shape)
            raise ModelError(f"{walk.path}: the tensor {name!r} of shape {shape} is no feature map")
    return list(dict.fromkeys(names))


def _licence(model: Any) -> str:
    stated = {each.key.lower(): each.value for each in model.metadata_props}
    return str(stated.get("license", stated.get("licence", LICENCE_UNKNOWN)))[:_MOST_LICENCE]


def _loaded(path: Path) -> Any:
    import onnx

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ModelError(f"{path}: the file is larger than {_MOST_BYTES} bytes")
        # Weights in another file would be read from wherever this file says.
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise ModelError(f"{path}: cannot be opened ({error.strerror})") from error
    except ModelError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        raise ModelError(f"{path}: cannot be read as an ONNX graph: {error}") from error
    if not 0 < len(model.graph.node) <= _MOST_NODES:
        raise ModelError(f"{path}: this is no ONNX graph of a network")
    return model
