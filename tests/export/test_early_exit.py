"""The branch around the recovery of an exported graph, which images without a hole do not take."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from excision.export.early_exit import ADDED, branch_around_recovery, without_parts
from excision.export.graph import write_onnx
from excision.export.quantise import quantise
from excision.method.attention.model import Attention
from excision.method.pipeline import Pipeline
from excision.runtime.backend import OUTPUTS
from excision.runtime.onnx_backend import OnnxBackend
from excision.runtime.onnx_file import read_onnx
from excision.settings import RecoverySettings, Settings
from excision.tiling.image_format import ImageFormat

SIZE = (64, 72)


class Written(NamedTuple):
    """The same graph in both forms, and images of which something is excised, and nothing.

    Attributes:
        whole: graph that always recovers.
        branch: graph with the branch.
        images: (2, 1, H, W), of which the second has no hole.
    """

    whole: OnnxBackend
    branch: OnnxBackend
    images: NDArray[np.float32]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    settings = Settings(recovery=RecoverySettings(width=16, depth=2))
    pipeline = Pipeline(settings, ImageFormat(SIZE, 1), Attention.pretrained("surface")).eval()
    torch.nn.init.normal_(pipeline.recovery.head.weight, std=0.1)
    pipeline.attention.normal.mean.fill_(-4.0)
    cells = pipeline.cells(torch.from_numpy(images()))
    pipeline.masking.threshold.copy_((cells[0].max() + cells[1].max()) / 2)
    path = tmp_path_factory.mktemp("branch") / "raw.onnx"
    write_onnx(pipeline, path)
    return path


def images() -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    surface = 0.5 + 0.01 * rng.normal(size=(2, 1, *SIZE))
    surface[0, 0, 20:24, 10:50] += 0.3
    return surface.astype(np.float32)


@pytest.fixture(scope="module", params=["fp32", "int8"])
def written(request: pytest.FixtureRequest, raw: Path) -> Written:
    paths = [raw.with_name(f"{request.param}-{kind}.onnx") for kind in ("whole", "branch")]
    for path, change in zip(paths, (without_parts, branch_around_recovery), strict=True):
        shutil.copyfile(raw, path)
        if request.param == "int8":
            quantise(path, [image[None] for image in images()])
        change(path)
        onnx.checker.check_model(path)
    whole, branch = (OnnxBackend(path, threads=1) for path in paths)
    return Written(whole, branch, images())


def test_without_a_hole_every_stage_is_the_same_bit_for_bit(written: Written) -> None:
    before, after = (graph.run(written.images[1:]) for graph in (written.whole, written.branch))
    assert not before["mask"].any() and before["anomaly_map"].any()
    for name in OUTPUTS:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    np.testing.assert_array_equal(after["recovery"], written.images[1:])


def test_with_a_hole_it_is_recovered(written: Written) -> None:
    before, after = (graph.run(written.images[:1]) for graph in (written.whole, written.branch))
    assert 0 < before["mask"].mean() < 1
    for name in OUTPUTS:
        np.testing.assert_allclose(before[name], after[name], rtol=1e-5, atol=1e-5, err_msg=name)
    assert (after["recovery"] != written.images[:1]).any()


def test_in_a_batch_no_image_changes_another(written: Written) -> None:
    together = written.branch.run(written.images)
    for place in range(2):
        alone = written.branch.run(written.images[place : place + 1])
        for name in OUTPUTS:
            np.testing.assert_allclose(
                together[name][place], alone[name][0], rtol=1e-5, atol=1e-5, err_msg=name
            )


@pytest.mark.parametrize("outputs", [("attention", "mask"), ("score",), ("recovery", "anomaly_map")])
def test_some_of_the_outputs_are_those_of_the_whole_graph(written: Written, outputs: tuple[str, ...]) -> None:
    whole, part = written.branch.run(written.images), written.branch.run(written.images, outputs)
    assert tuple(part) == outputs
    for name in outputs:
        np.testing.assert_allclose(whole[name], part[name], rtol=1e-5, atol=1e-5)


def test_the_networks_weights_lie_in_the_branch_once(raw: Path, tmp_path: Path) -> None:
    path = tmp_path / "branch.onnx"
    shutil.copyfile(raw, path)
    branch_around_recovery(path)
    read_onnx(path)
    assert path.stat().st_size < 1.02 * raw.stat().st_size
    graph = onnx.load(path).graph
    (node,) = [node for node in graph.node if node.op_type == "If"]
    branches = {attribute.name: attribute.g.node for attribute in node.attribute}
    convolutions = sum(each.op_type == "Conv" for each in branches["then_branch"])
    assert convolutions >= 5 and len(branches["else_branch"]) == 2
    assert [output.name for output in graph.output] == list(OUTPUTS)
    assert ADDED in node.output
