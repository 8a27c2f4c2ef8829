"""A model for Triton Inference Server: its configuration fits its graph, and batches change no score."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from google.protobuf import text_format
from PIL import Image

from excision import Inspector
from excision.errors import ModelError, SettingsError
from excision.export.triton import CONFIGURATION, export_triton, largest_batch
from excision.runtime.backends import open_backend
from excision.runtime.golden_file import Golden
from excision.runtime.verification import Proof, verify
from tests.cli.conftest import inside


def model_config(text: str) -> Any:
    """Parse the text of a configuration with the messages that NVIDIA publishes."""
    package = importlib.util.find_spec("tritonclient")
    assert package is not None and package.submodule_search_locations is not None
    # The module alone: its package imports gRPC.
    source = Path(package.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", source)
    assert spec is not None and spec.loader is not None
    messages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(messages)
    return text_format.Parse(text, messages.ModelConfig())


@pytest.fixture(scope="module")
def model(
    run: Path, parts: Path, tmp_path_factory: pytest.TempPathFactory, export_once: Callable[..., Proof]
) -> Path:
    del export_once  # from here on the same graph is traced once
    out = tmp_path_factory.mktemp("repository") / "fabric"
    done = inside("export", run, parts, "--out", out, "--to", "triton")
    assert done.returncode == 0, done.stderr
    assert f"Exported: {out / '1'};" in done.stdout
    assert "Batches of up to 8 images" in done.stdout
    return out


def test_the_configuration_is_that_of_the_graph(model: Path) -> None:
    config = model_config((model / CONFIGURATION).read_text())
    assert (config.name, config.backend, config.max_batch_size) == ("", "onnxruntime", 8)
    assert config.HasField("dynamic_batching")
    assert [group.kind for group in config.instance_group] == [config.instance_group[0].KIND_CPU]
    graph = onnxruntime.InferenceSession(model / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    for ports, arguments in (
        (config.input, graph.get_inputs()),
        (config.output, graph.get_outputs()),
    ):
        assert [port.name for port in ports] == [argument.name for argument in arguments]
        for port, argument in zip(ports, arguments, strict=True):
            assert (
                port.data_type
                == port.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_name["TYPE_FP32"].number
            )
            assert argument.type == "tensor(float)"
            batch, *sides = argument.shape
            assert isinstance(batch, str)  # a size of the client's choice
            # What the model is given or gives: the shape of the request, unless it is reshaped.
            assert list(port.reshape.shape if port.HasField("reshape") else port.dims) == sides
            assert all(side > 0 for side in port.dims)


@pytest.mark.parametrize("size", [1, 3, 8])
def test_an_image_in_a_batch_has_the_outputs_that_it_has_alone(size: int, model: Path) -> None:
    graph = onnxruntime.InferenceSession(model / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    images = np.random.default_rng(size).random((size, *graph.get_inputs()[0].shape[1:]), np.float32)
    together = graph.run(None, {"image": images})
    for place in range(size):
        alone = graph.run(None, {"image": images[place : place + 1]})
        for ours, theirs in zip(together, alone, strict=True):
            assert ours[place].tobytes() == theirs[0].tobytes()


def test_a_version_is_an_exported_folder(model: Path) -> None:
    assert verify(Inspector(model / "1")).score_drift < 1e-3
    assert {path.name for path in model.iterdir()} == {CONFIGURATION, "1"}


def test_a_client_can_be_written_from_the_document(model: Path, parts: Path) -> None:
    """Pixels as `docs/serving.md` describes them, by Pillow and NumPy alone."""
    image = next((parts / "test").rglob("*.png"))
    config = model_config((model / CONFIGURATION).read_text())
    _, height, width = config.input[0].dims
    grey = Image.fromarray(np.asarray(Image.open(image), np.float32) / 255)
    resized = np.asarray(grey.resize((width, height), Image.Resampling.BILINEAR)).clip(0, 1)
    pixels = np.rint(resized * np.float32(65535)) / np.float32(65535)
    graph = onnxruntime.InferenceSession(model / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    (score,) = graph.run(["score"], {"image": pixels[None, None].astype(np.float32)})[0]
    assert float(score) == Inspector(model / "1").inspect(image).score


def test_batches_that_change_a_score_are_not_offered() -> None:
    class Rounding:
        """Adds a last bit to what is in a batch of more than four."""

        def run(self, images: np.ndarray[Any, Any], _: object = ()) -> dict[str, np.ndarray[Any, Any]]:
            return dict.fromkeys(
                ("anomaly_map", "score", "attention", "mask", "masked_image", "recovery"),
                images + np.float32(1e-3 * (len(images) > 4)),
            )

    images = np.random.default_rng(0).integers(0, 65536, (3, 8, 8, 1), dtype=np.uint16)
    assert largest_batch(Rounding(), images) == 4  # type: ignore[arg-type]  # it has no signature


def test_what_cannot_be_written_leaves_nothing(run: Path, parts: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="choose --to openvino for bf16"):
        export_triton(run, parts, tmp_path / "front", precision="bf16")
    with pytest.raises(ModelError, match="drifts"):
        export_triton(run, parts, tmp_path / "front", allow_drift=-1.0)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "front").mkdir()
    (tmp_path / "front" / "mine").touch()
    with pytest.raises(SettingsError, match="holds something already"):
        export_triton(run, parts, tmp_path / "front")
    assert (tmp_path / "front" / "mine").exists()


def test_golden_images_prove_the_batches(model: Path) -> None:
    graph, golden = open_backend(model / "1", "onnx", "fp32", threads=1), Golden.load(model / "1")
    told: list[tuple[int, int | None]] = []
    assert largest_batch(graph, golden.images, lambda *done: told.append(done)) == 8
    assert told[-1] == (8, 8)
