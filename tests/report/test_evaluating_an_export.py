"""`excision evaluate` on an exported folder: without torch, and with the figures of the same predictor."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision import Inspector, load_dataset
from excision.cli import run as main
from excision.evaluation.metrics import image_auroc
from excision.report.writing import evaluate
from tests.compatibility.test_format_1 import HERE
from tests.conftest import draw_surface

EXPORTED = HERE / "exported"

# An installation of the line: none of what the extra for training brings.
WITHOUT_TRAINING = """
import sys
for name in ("torch", "matplotlib", "onnx", "onnxscript"):
    sys.modules[name] = None
from excision.cli import main
main()
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good and scratched images in the layout of MVTec AD, with masks."""
    root = tmp_path_factory.mktemp("evaluating") / "parts"
    for kind in ("train/good", "test/good", "test/scratch", "ground_truth/scratch"):
        (root / kind).mkdir(parents=True)
    for number in range(4):
        Image.fromarray(draw_surface(number, (64, 64))).save(root / "train/good" / f"{number}.png")
        Image.fromarray(draw_surface(number + 10, (64, 64))).save(root / "test/good" / f"{number}.png")
        pixels, mask = draw_surface(number + 20, (64, 64)), np.zeros((64, 64), np.uint8)
        pixels[20:40, 30:34], mask[20:40, 30:34] = 250, 255
        Image.fromarray(pixels).save(root / "test/scratch" / f"{number}.png")
        Image.fromarray(mask).save(root / "ground_truth/scratch" / f"{number}_mask.png")
    return root


def test_without_torch_the_figures_are_those_of_the_inspector(parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRAINING, "evaluate", EXPORTED, parts, "--out", out],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    assert (out / "report.html").is_file()
    written = json.loads((out / "evaluation.json").read_text("utf-8"))
    inspector, dataset = Inspector(EXPORTED), load_dataset(parts)
    expected = json.loads(json.dumps(evaluate(inspector, dataset).to_json()))
    for figures in (written, expected):
        assert figures.pop("ms_per_image") > 0
    assert written == expected
    # The same from the predictions alone.
    found = [next(inspector.predict(sample.image)) for sample in dataset.test]
    defective = np.array([sample.defective for sample in dataset.test])
    scores = np.array([prediction.score for prediction in found])
    assert written["image_auroc"] == image_auroc(defective, scores)
    assert written["threshold"] == inspector.threshold
    assert written["detection_rate"] == (scores[defective] > inspector.threshold).mean()
    assert (written["n_normal"], written["n_defect"]) == (4, 4)


def test_by_default_the_report_lies_in_the_exported_folder(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "line"
    shutil.copytree(EXPORTED, folder)
    assert main(["evaluate", str(folder), str(parts)]) == 0
    assert (folder / "evaluation" / "report.html").is_file()
    assert f"Report: {folder / 'evaluation' / 'report.html'}" in capsys.readouterr().out
    assert Inspector(folder).threshold == Inspector(EXPORTED).threshold


@pytest.mark.parametrize("option", [["--no-mask"], ["--inference-skips", "all"]])
def test_an_exported_model_cannot_be_altered(
    option: list[str], parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(EXPORTED), str(parts), "--out", str(tmp_path / "out"), *option]) == 2
    assert f"{EXPORTED}: --no-mask and --inference-skips need a run folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
