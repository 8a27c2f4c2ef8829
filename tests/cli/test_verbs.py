"""The other verbs in processes: what they print, write and end with."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from excision.cli import run as main
from excision.data.own_output import own_output
from tests.cli.conftest import inside

FIGURES = {
    "image_auroc", "image_ap", "image_f1_max", "pixel_auroc", "pixel_ap", "aupro", "threshold",
    "false_alarm_rate", "detection_rate", "n_normal", "n_defect", "ms_per_image",
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, parts: Path) -> Path:
    """A good part, and one with a stripe that no fabric has."""
    folder = tmp_path_factory.mktemp("pictures")
    with Image.open(parts / "train" / "good" / "000.png") as image:
        pixels = np.array(image)
    Image.fromarray(pixels).save(folder / "good.png")
    pixels[20:26, 8:56] = 255
    Image.fromarray(pixels).save(folder / "striped.png")
    return folder


def test_evaluate(trained: tuple[Path, str], parts: Path, tmp_path: Path) -> None:
    done = inside(
        "evaluate", trained[0], parts, "--json", tmp_path / "figures.json", "--out", tmp_path / "out"
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert figures.keys() >= FIGURES
    assert (figures["n_normal"], figures["n_defect"]) == (3, 4)
    for name in FIGURES:
        assert name in done.stdout
    assert (tmp_path / "out" / "report.html").is_file()


def test_evaluate_without_the_mask_is_another_method(
    trained: tuple[Path, str], parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = {}
    for name, options in {"whole": ["--no-mask"], "skips": ["--inference-skips", "all"], "own": []}.items():
        words = ["evaluate", str(trained[0]), str(parts), "--out", str(tmp_path / name), *options]
        assert main(words) == 0
        maps[name] = (tmp_path / name / "scores.csv").read_text("utf-8")
    assert len(set(maps.values())) == 3
    assert main(["evaluate", str(trained[0]), str(parts), "--inference-skips", "9"]) == 2
    assert "numbers from 1 to 2" in capsys.readouterr().err


def test_inspect_ends_with_what_it_found(
    trained: tuple[Path, str], pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(trained[0])
    done = inside("inspect", run, pictures, "--out", tmp_path / "both")
    assert done.returncode == 1, done.stderr
    assert "1 defective, 0 not inspected" in done.stdout
    with (tmp_path / "both" / "results.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(Path(row["image"]).name, row["verdict"]) for row in rows] == [
        ("good.png", "good"),
        ("striped.png", "defect"),
    ]
    assert main(["inspect", run, str(pictures / "good.png"), "--out", str(tmp_path / "good")]) == 0
    missing = str(pictures / "gone.png")
    assert main(["inspect", run, missing, str(pictures), "--out", str(tmp_path / "gone")]) == 2
    assert main(["inspect", run, str(pictures), "--out", str(tmp_path / "good")]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["inspect", run, str(pictures), "--out", str(tmp_path / "good"), "--resume"]) == 1


def test_inspect_says_why_an_image_was_not_inspected(
    trained: tuple[Path, str], pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for number in range(23):
        (broken / f"{number:02d}.png").write_bytes(b"no image")
    words = [
        "inspect",
        str(trained[0]),
        str(broken),
        str(pictures / "good.png"),
        "--out",
        str(tmp_path / "o"),
    ]
    assert main(words) == 2
    told = capsys.readouterr().out
    assert "1 good, 0 defective, 23 not inspected" in told
    for number in range(20):
        assert f"  {broken / f'{number:02d}.png'}: " in told
    assert "20.png" not in told
    assert "... and 3 more" in told


def test_info(trained: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(trained[0]), "--json", str(tmp_path / "run.json")]) == 0
    told = capsys.readouterr().out
    assert "8 good images" in told
    assert "* recovery.width = 4\n" in told
    assert "  mask.fill = zero\n" in told
    content = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert content["settings"]["image"]["size"] == [48, 48]


def test_synth_writes_what_check_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = ["--train", "4", "--test-good", "2", "--per-defect", "1", "--size", "64", "80"]
    assert main(["synth", "--out", str(tmp_path / "all"), *counts]) == 0
    surfaces = {path.name for path in (tmp_path / "all").iterdir()}
    assert surfaces == {"brushed_metal", "cast_grain", "woven_fabric", "machined_part"}
    assert main(["synth", "--out", str(tmp_path / "one"), "--surface", "cast_grain", *counts]) == 0
    assert main(["check", str(tmp_path / "one")]) == 0
    told = capsys.readouterr().out
    assert "mvtec" in told
    assert "64 x 80 (10 images)" in told


def test_attention_coverage(parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "coverage.json"
    words = ["attention", "coverage", str(parts), "--size", "64", "64", "--budget", "10%"]
    assert main([*words, "--json", str(target)]) == 0
    content = json.loads(target.read_text("utf-8"))
    assert content["budget"] == pytest.approx(0.1)
    assert content["n_defect"] == 4
    assert f"{content['coverage']:.4f}" in capsys.readouterr().out


def test_attention_show(pictures: Path, tmp_path: Path) -> None:
    words = ["attention", "show", str(pictures), "--out", str(tmp_path), "--size", "64", "96"]
    assert main(words) == 0
    drawn = sorted(tmp_path.glob("*.png"))
    assert [path.name for path in drawn] == ["00001-good.png", "00002-striped.png"]
    with Image.open(drawn[0]) as image:
        assert image.size == (3 * 96, 64)
    assert own_output(tmp_path) == "pictures of the attention"
    assert main([*words[:2], str(tmp_path / "gone.png"), *words[3:]]) == 2


def test_info_of_a_model_saved_from_python(trained: tuple[Path, str], tmp_path: Path) -> None:
    """Such a folder has no notes of a training."""
    for name in ("settings.toml", "image_format.json", "calibration.json", "model.safetensors"):
        shutil.copy(trained[0] / name, tmp_path / name)
    assert main(["info", str(tmp_path), "--json", str(tmp_path / "run.json")]) == 0
    assert json.loads((tmp_path / "run.json").read_text("utf-8"))["training"] is None


@pytest.mark.parametrize("damaged", ["calibration.json", "training.json", "fingerprint.json"])
@pytest.mark.parametrize("content", ["{}", "[1]", "{", '"text"'])
def test_info_names_the_damaged_file(
    damaged: str, content: str, trained: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained[0], tmp_path / "run")
    (tmp_path / "run" / damaged).write_text(content)
    assert main(["info", str(tmp_path / "run")]) == 2
    assert f"run/{damaged}: " in capsys.readouterr().err


def test_info_tells_that_the_feature_distance_counts(
    trained: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained[0], tmp_path / "run")
    model = tmp_path / "run" / "model.safetensors"
    tensors = {
        name: tensor
        for name, tensor in load_file(model).items()
        if not name.startswith(("familiar.", "alignment.", "scorer."))
    }
    explained, starts = np.array([0.7], np.float32), np.zeros((6, 3), np.float32)
    for extra, told in (
        ({"scorer.feature_distance.explained_variance": explained}, "position in the image explains 70%"),
        (
            {"scorer.feature_distance.explained_variance": explained, "scorer.alignment.starts": starts},
            "position on the aligned part explains 70%",
        ),
        ({"familiar.explained": explained}, "position in the image explains 70%"),
        (
            {"familiar.explained": explained, "alignment.starts": starts},
            "position on the aligned part explains 70%",
        ),
        ({}, None),
    ):
        save_file({**tensors, **extra}, model)
        assert main(["info", str(tmp_path / "run")]) == 0
        shown = capsys.readouterr().out
        if told is None:
            assert "Feature distance" not in shown
        else:
            assert f"Feature distance  used: {told} of the variance" in shown
    model.write_bytes(b"damaged")
    assert main(["info", str(tmp_path / "run")]) == 2
    assert "run/model.safetensors: " in capsys.readouterr().err


def test_info_of_an_unfinished_run(
    trained: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(trained[0] / "settings.toml", tmp_path)
    assert main(["info", str(tmp_path)]) == 2
    assert "--resume" in capsys.readouterr().err
