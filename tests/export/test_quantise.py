"""Eight-bit integers: which convolutions compute in them, and how far the scores move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from excision import Detector
from excision.cli import run as command_line
from excision.data import load_dataset
from excision.runtime.backend import MODEL_FILES, BackendName
from excision.runtime.inspector import Inspector
from excision.runtime.model_folder import Description
from excision.runtime.verification import DRIFT_LIMITS, Proof, verify
from tests.export.conftest import BACKENDS

Exports = dict[BackendName, tuple[Path, Proof]]


@pytest.fixture(scope="module")
def quantised(
    run: Path, parts: Path, tmp_path_factory: pytest.TempPathFactory, export_once: Callable[..., Proof]
) -> Exports:
    out = tmp_path_factory.mktemp("quantised")
    return {
        name: (out / name, export_once(run, parts, out / name, to=name, precision="int8"))
        for name in BACKENDS
    }


def test_the_large_convolutions_and_nothing_else_take_integers(quantised: Exports) -> None:
    graph = onnx.load(quantised["onnx"][0] / MODEL_FILES["onnx"]).graph
    made_by = {name: node for node in graph.node for name in node.output}
    shapes = {each.name: tuple(each.dims) for each in graph.initializer}
    wide, integers = [], []
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        source = made_by.get(node.input[1])
        weights = node.input[1] if source is None else source.input[0]
        _, inputs, *window = shapes[weights]
        wide.append(inputs >= 16 and min(window) >= 3)
        integers.append(source is not None and source.op_type == "DequantizeLinear")
    assert integers == wide
    assert 0 < sum(wide) < len(wide)


@pytest.mark.parametrize("name", BACKENDS)
def test_scores_move_a_little_and_not_too_far(quantised: Exports, name: BackendName) -> None:
    folder, proof = quantised[name]
    assert Description.load(folder).precision == "int8"
    # Were it not a little off, nothing would have been quantised.
    assert 1e-4 < proof.score_drift < DRIFT_LIMITS["int8"]
    again = verify(Inspector(folder))
    assert 1e-4 < again.score_drift <= proof.score_drift


def test_both_backends_agree_on_images_that_neither_has_seen(
    quantised: Exports, run: Path, parts: Path
) -> None:
    images = [sample.image for sample in load_dataset(parts).test]
    onnx_says, openvino_says = (
        np.array([found.score for found in Inspector(quantised[name][0]).predict(images)])
        for name in BACKENDS
    )
    torch_says = np.array([found.score for found in Detector.load(run, device="cpu").predict(images)])
    unit = Inspector(quantised["onnx"][0]).threshold
    assert np.median(np.abs(onnx_says - torch_says)) < 0.1 * unit
    assert np.median(np.abs(openvino_says - onnx_says)) < 0.1 * unit


@pytest.mark.usefixtures("export_once")
def test_on_the_command_line(run: Path, parts: Path, tmp_path: Path) -> None:
    words = ["export", str(run), str(parts), "--out", str(tmp_path / "out"), "--precision", "int8"]
    assert command_line(words) == 0
    assert command_line(["verify", str(tmp_path / "out")]) == 0
