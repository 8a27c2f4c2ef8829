"""What every backend that computes an exported graph has in common."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    # The command line needs the names alone.
    import numpy as np
    from numpy.typing import NDArray

BackendName = Literal["onnx", "openvino"]

Precision = Literal["fp32", "bf16", "int8"]

INPUT = "image"

OUTPUTS = ("anomaly_map", "score", "attention", "mask", "masked_image", "recovery")
"""What the graph gives: the stages of the method, by name."""

PRECISIONS: dict[BackendName, tuple[Precision, ...]] = {
    "onnx": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
}
"""What each backend can compute the networks in."""

MODEL_FILES: dict[BackendName, str] = {"onnx": "model.onnx", "openvino": "model.xml"}

GRAPH_FILES = (*MODEL_FILES.values(), "model.bin")
"""Every file that holds a part of a graph; OpenVINO keeps the weights in one of their own."""


class Backend(Protocol):
    """A loaded graph; it may be called from several threads at once."""

    def run(
        self, images: NDArray[np.float32], outputs: Sequence[str] = OUTPUTS
    ) -> dict[str, NDArray[np.float32]]:
        """Inspect images (B, C, H, W) in [0, 1] as far as the outputs need; by name, each (B, ...)."""


OLD_OUTPUTS = {"masked_image": "holed"}
"""What graphs of the first release call an output."""


def stored_names(outputs: Sequence[str], stored: Collection[str]) -> list[str]:
    """Return the names by which a graph that stores these outputs knows the wanted ones."""
    return [name if name in stored else OLD_OUTPUTS.get(name, name) for name in outputs]
