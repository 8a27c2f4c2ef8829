"""Chooses the backend that runs an exported graph: ONNX Runtime or OpenVINO."""

from __future__ import annotations

from pathlib import Path

from excision.errors import ModelError
from excision.runtime.backend import MODEL_FILES, Backend, BackendName, Device, Precision
from excision.runtime.onnx_backend import OnnxBackend

_LONGEST = 300


def open_backend(
    folder: Path,
    name: BackendName,
    precision: Precision,
    threads: int | None,
    device: Device = "cpu",
    workers: int = 1,
) -> Backend:
    """Load the graph of an exported folder.

    Args:
        folder: exported folder.
        name: name of the backend; OpenVINO also runs graphs that were exported for ONNX Runtime.
        precision: precision in which the networks are computed.
        threads: number of threads per inspection; None leaves it to the backend.
        device: where the networks are computed; OpenVINO computes on the processor only.
        workers: threads that may compute at once.

    Raises:
        ModelError: the file is missing or damaged, or the backend is not installed, or has no such device.
    """
    if device == "cuda" and name != "onnx":
        raise ModelError(f"{folder}: {name} computes on the processor only: export the model with --to onnx")
    path = folder / MODEL_FILES[name]
    other = folder / MODEL_FILES["onnx"]
    if name == "openvino" and other.is_file():
        path = other  # OpenVINO reads ONNX files too
    if not path.is_file():
        raise ModelError(f"{path} is missing: export the model again")
    try:
        if name == "onnx":
            return OnnxBackend(path, threads, device)
        return _openvino(path, precision, threads, workers)
    except ModelError:
        raise
    except ModuleNotFoundError as error:
        raise ModelError(f"{folder} needs the package {error.name}: pip install {error.name}") from error
    except Exception as error:
        # Each backend raises its own types of error for a faulty file.
        raise ModelError(f"{path}: cannot be loaded as a graph: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """Return the message of a backend in one line of bounded length."""
    words = " ".join(str(error).split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."


def _openvino(path: Path, precision: Precision, threads: int | None, workers: int) -> Backend:
    from excision.runtime.openvino_backend import OpenVinoBackend

    return OpenVinoBackend(path, precision, threads, workers)
