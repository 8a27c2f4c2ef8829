"""The time of a graph is told by stage and by kind of node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.experiments.test_simulated import load

PROFILE = load("graph_profile")
EXPORTED = Path(__file__).parents[1] / "compatibility" / "format_1" / "exported"


def test_a_folder_is_profiled(capsys: pytest.CaptureFixture[str]) -> None:
    PROFILE.main([str(EXPORTED), "--images", "2"])
    shown = capsys.readouterr().out
    rows = [line.split("|")[1:-1] for line in shown.splitlines() if line.startswith("|")]
    stages = {name.strip(): float(time) for name, _, time, _ in rows if name.strip() in ("attention", "map")}
    assert min(stages.values()) > 0
    assert "| Conv |" in shown


def test_each_node_counts_once_and_to_its_stage() -> None:
    nodes = [
        helper.make_node("Relu", ["image"], ["seen"], "look"),
        helper.make_node("Relu", ["seen"], ["attention"], "attend"),
        helper.make_node("If", ["attention"], ["recovery"], "branch"),
        helper.make_node("Add", ["seen", "recovery"], ["map"], "compare"),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("image", "map")]
    graph = helper.make_graph(nodes, "some", ports[:1], ports[1:])
    times = {"look": 1.0, "attend": 2.0, "branch": 4.0, "within the branch": 3.0, "compare": 8.0}
    stages, kinds = PROFILE.added_up(times, graph)
    assert stages == {"attention": [1.0, 2.0], "recovery": [4.0], "map": [8.0]}
    assert kinds == {"Relu": [1.0, 2.0], "If": [4.0], "Add": [8.0]}


def test_every_node_of_the_graph_is_timed(tmp_path: Path) -> None:
    image = np.zeros((1, 1, 64, 64), np.float32)
    times, graph = PROFILE.profiled(EXPORTED, image, 1, 1, tmp_path)
    assert {node.name for node in graph.node} <= times.keys()
    assert all(each >= 0 for each in times.values())
