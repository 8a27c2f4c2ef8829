"""The interface of the backends that run an exported graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    # The command line imports this module for the names only.
    import numpy as np
    from numpy.typing import NDArray

BackendName = Literal["onnx", "openvino"]

Precision = Literal["fp32", "bf16", "int8"]

Device = Literal["cpu", "cuda"]
"""Where the networks are computed: on the processor, or on an NVIDIA GPU by ONNX Runtime."""

INPUT = "image"

OUTPUTS = ("anomaly_map", "score", "attention", "mask", "masked_image", "recovery")
"""Names of the graph's outputs: the stages of the method."""

PRECISIONS: dict[BackendName, tuple[Precision, ...]] = {
    "onnx": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
}
"""The precisions in which each backend can compute the networks."""

MODEL_FILES: dict[BackendName, str] = {"onnx": "model.onnx", "openvino": "model.xml"}

GRAPH_FILES = (*MODEL_FILES.values(), "model.bin")
"""All files that may hold part of a graph; OpenVINO keeps the weights in a separate file."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a graph.

    Attributes:
        shape: its dimensions; None where the graph leaves one open.
        is_float: whether the values are float32.
    """

    shape: tuple[int | None, ...]
    is_float: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """What a graph takes and gives.

    Attributes:
        inputs: by name.
        outputs: by the names of `OUTPUTS`, where the graph has these.
    """

    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]


class Backend(Protocol):
    """A loaded graph; it may be called from several threads at once."""

    @property
    def signature(self) -> Signature:
        """What the graph takes and gives."""

    def run(
        self, images: NDArray[np.float32], outputs: Sequence[str] = OUTPUTS
    ) -> dict[str, NDArray[np.float32]]:
        """Compute the given outputs for images (B, C, H, W) in [0, 1]; arrays (B, ...) by name."""


OLD_OUTPUTS = {"masked_image": "holed"}
"""Names of outputs in graphs of the first release."""


def stored_names(outputs: Sequence[str], stored: Collection[str]) -> list[str]:
    """Return the names that the wanted outputs have in a graph with these stored names."""
    return [name if name in stored else OLD_OUTPUTS.get(name, name) for name in outputs]
