"""Compares a graph, and what it computes, with the description of its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.errors import ModelError
from excision.runtime.backend import INPUT, OUTPUTS, Port, Signature
from excision.tiling.image_format import ImageFormat


def check_graph(signature: Signature, image_format: ImageFormat, folder: Path) -> None:
    """Check that a graph takes images of the described format and computes every stage for them.

    Raises:
        ModelError: it does not.
    """
    given, taken = _shapes(image_format)[INPUT], signature.inputs.get(INPUT)
    if len(signature.inputs) != 1 or taken is None or not _fits(taken, given, allow_open=False):
        shown = "; ".join(f"{name} {_text(port)}" for name, port in signature.inputs.items())
        raise ModelError(
            f"{folder}: model.json describes {image_format.channels} channels and "
            f"{image_format.size[0]} x {image_format.size[1]} pixels, and the graph takes "
            f"{shown or 'nothing'}: these files do not belong together"
        )
    for name in OUTPUTS:
        output = signature.outputs.get(name)
        if output is None:
            raise ModelError(f"{folder}: the graph has no output {name!r}: export the model again")
        if not _fits(output, _shapes(image_format)[name], allow_open=True):
            raise ModelError(
                f"{folder}: the graph's output {name!r} is {_text(output)}, and model.json describes "
                f"{_shapes(image_format)[name]}: these files do not belong together"
            )


def check_results(found: Mapping[str, NDArray[np.float32]], image_format: ImageFormat, folder: Path) -> None:
    """Check what a graph has computed for one image: the shapes, and that score and map are finite.

    Raises:
        ModelError: the graph is damaged.
    """
    shapes = _shapes(image_format)
    for name, values in found.items():
        if values.shape != shapes[name]:
            raise ModelError(
                f"{folder}: the graph computed {name!r} in the shape {values.shape}: it is damaged"
            )
    if not np.isfinite(found["score"]).all():
        raise ModelError(f"{folder}: the anomaly score is not finite: the model is damaged")
    if not np.isfinite(found["anomaly_map"]).all():
        raise ModelError(f"{folder}: the anomaly map is not finite: the model is damaged")


def _shapes(image_format: ImageFormat) -> dict[str, tuple[int, ...]]:
    """Return the shape of the input and of each output for one image."""
    plane, image = (1, 1, *image_format.size), (1, image_format.channels, *image_format.size)
    images = (INPUT, "masked_image", "recovery")
    return {
        name: (1,) if name == "score" else image if name in images else plane for name in (INPUT, *OUTPUTS)
    }


def _fits(port: Port, shape: tuple[int, ...], *, allow_open: bool) -> bool:
    """Return whether a port takes or gives one image of this shape; the first dimension is the batch."""
    if not port.is_float or len(port.shape) != len(shape) or port.shape[0] not in (None, 1):
        return False
    pairs = zip(port.shape[1:], shape[1:], strict=True)
    return all(has == wants or (has is None and allow_open) for has, wants in pairs)


def _text(port: Port) -> str:
    sides = ", ".join("any" if side is None else str(side) for side in port.shape)
    return f"({sides}){'' if port.is_float else ', not of float32'}"
