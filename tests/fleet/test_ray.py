"""A fleet on a Ray cluster of this machine: the same models as without it, and failures that stop nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from excision.cli import run as main
from excision.method.run_folder import MODEL
from tests.cli.conftest import excision
from tests.fleet.conftest import SETTINGS, PoolHere

pytest.importorskip("ray")


def test_the_same_models_as_without_ray(
    plants: Path, tmp_path: Path, here: PoolHere, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(f'{SETTINGS}[models.a]\ndata = "{plants}/a"\n[models.gone]\ndata = "nowhere"\n', "utf-8")
    done = excision("fleet", "train", file, "--out", tmp_path / "ray", "--engine", "ray", "--memory", 0.5)
    assert done.returncode == 2, done.stderr
    assert "Failed: gone: " in done.stdout
    assert main(["fleet", "train", str(file), "--out", str(tmp_path / "here")]) == 2
    assert here.names == ["a", "gone"]
    assert (tmp_path / "ray" / "a" / MODEL).read_bytes() == (tmp_path / "here" / "a" / MODEL).read_bytes()
    rows = [json.loads((tmp_path / out / "fleet.json").read_text())["models"] for out in ("ray", "here")]
    assert [row["state"] for row in rows[0]] == [row["state"] for row in rows[1]] == ["finished", "failed"]
    assert [row["threshold"] for row in rows[0]] == [row["threshold"] for row in rows[1]]
    capsys.readouterr()
