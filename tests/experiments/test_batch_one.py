"""Exported folders are timed in turns, with the sources that are asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.experiments.test_simulated import load

BATCH_ONE = load("batch_one")
ROOT = Path(__file__).parents[2]
EXPORTED = ROOT / "tests" / "compatibility" / "format_1" / "exported"


def test_two_versions_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "figures.json"
    words = [f"{EXPORTED}@{ROOT / 'src'}", str(EXPORTED), "--threads", "1", "--engines", "onnx"]
    assert BATCH_ONE.main([*words, "--turns", "2", "--json", str(table)]) == 0
    before, after = json.loads(table.read_text())
    assert before["kind"] == after["kind"] == "onnx fp32, 1 thread"
    assert before["score"] == after["score"]
    assert before["ratio"] == 1
    assert after["ratio"] > 0 and after["whole"] >= after["graph"] > 0
    assert "of processor" in capsys.readouterr().out


def test_a_folder_is_run_in_every_way_that_it_can_be() -> None:
    arguments = BATCH_ONE.argparse.Namespace(threads=[1, 2], engines=["onnx", "openvino"])
    names = {kind.name for kind in BATCH_ONE._kinds(str(EXPORTED), arguments)}
    ways = {"onnx fp32", "openvino fp32", "openvino bf16"}
    assert names == {f"{way}, {count}" for way in ways for count in ("1 thread", "2 threads")}
