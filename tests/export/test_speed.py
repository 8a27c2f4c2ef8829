"""The speed of an exported model: stages that add up, and operations that are those of the networks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from excision import Detector
from excision.cli import run as command_line
from excision.errors import ModelError
from excision.export.operations import OperationCounter, count_operations
from excision.runtime.model_folder import DESCRIPTION
from excision.runtime.speed import STAGES, matrix_product_rate, measure
from tests.features.test_architectures import SIZE, made


def test_operations_are_those_of_the_convolutions(run: Path) -> None:
    """Count by hooks on every convolution: two operations for each product summed up."""
    pipeline = Detector.load(run, device="cpu").pipeline
    size, channels = pipeline.image_format.size, pipeline.image_format.channels
    counted = []

    def count(module: nn.Conv2d, _: object, output: Tensor) -> None:
        counted.append(2 * output.shape[2] * output.shape[3] * module.weight.numel() // module.groups)

    for module in pipeline.recovery.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    pipeline.train()  # in which batch normalisation stands apart from the convolutions
    image = torch.rand(1, channels, *size)
    pipeline.recovery(image, torch.zeros_like(image[:, :1]), pipeline.settings.recovery.skips("inference"))
    wanted = sum(counted)
    operations = count_operations(pipeline.eval())
    assert operations["recovery"] == wanted
    assert operations["attention"] > 0


@pytest.mark.parametrize("kind", ["attention", "convnext_tiny", "dinov2_vits14"])
def test_operations_are_those_that_torch_counts(kind: str, run: Path) -> None:
    if kind == "attention":
        pipeline = Detector.load(run, device="cpu").pipeline
        network, size = pipeline.cells, (pipeline.image_format.channels, *pipeline.image_format.size)
    else:
        network, size = made(kind).eval(), (3, *SIZE)
    image = torch.rand(1, *size)
    with torch.no_grad(), FlopCounterMode(display=False) as theirs:
        network(image)
    with torch.no_grad(), OperationCounter() as ours:
        network(image)
    # torch forgets the attention of transformers on a CPU: 12 blocks, 6 heads, 31 tokens of 64 numbers.
    forgotten = 12 * 6 * 2 * 31 * 31 * (64 + 64) if kind == "dinov2_vits14" else 0
    assert ours.operations == theirs.get_total_flops() + forgotten > 1e6


def test_every_stage_is_timed(exported_onnx: Path) -> None:
    one, four = measure(exported_onnx, "onnx", threads=1, batches=[1, 4], repeats=3)
    for speed, batch in ((one, 1), (four, 4)):
        assert (speed.backend, speed.threads, speed.batch) == ("onnx", 1, batch)
        assert tuple(speed.milliseconds) == STAGES
        # Of the right unit and order; on a busy machine no more can be said.
        assert 0.1 < sum(speed.milliseconds.values()) * speed.images_per_second / 1000 < 10
        assert speed.limit_share is not None and 0 < speed.limit_share < 10
        assert 0 < speed.first_result < 60


def test_the_matrix_product_is_that_of_a_processor() -> None:
    assert 1e8 < matrix_product_rate() < 1e14


def test_the_table_and_the_file(
    exported_onnx: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", str(exported_onnx), "--threads", "1", "--batches", "1", "--repeats", "1"]
    assert command_line([*words, "--json", str(tmp_path / "speed.json")]) == 0
    assert "of limit" in capsys.readouterr().out
    speeds = json.loads((tmp_path / "speed.json").read_text())
    assert {speed["backend"] for speed in speeds} == {"onnx", "openvino"}


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=DESCRIPTION):
        measure(tmp_path, "onnx", 1, [1], 1)
