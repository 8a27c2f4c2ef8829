"""The comparison of two versions runs: here of the sources with themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.experiments.test_simulated import load
from tests.runtime.folders import old_folder

COMPARISON = load("decoding_and_start")


def test_the_same_sources_decode_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = Path(__file__).parents[2]
    assert (
        COMPARISON.main([str(old_folder(tmp_path)), "--before", str(root), "--rounds", "1", "--quick"]) == 0
    )
    printed = capsys.readouterr().out
    assert "first result" in printed
    ratios = [float(each) for each in re.findall(r"x (\d+\.\d+)", printed)]
    assert len(ratios) >= 10
    assert all(0 < each < 100 for each in ratios)
