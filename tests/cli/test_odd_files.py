"""A folder as people really have it: damaged, empty, odd and foreign files among the good ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision.cli import run as main
from tests.cli.conftest import TINY, inside

BROKEN = ("truncated.png", "empty.png", "text.png", "nothing.png", "one_row.png")
USABLE = ("sixteen.png", "cmyk.jpg", "alpha.png", "palette.gif", "wide.png", "Größe 7.png")


def draw(seed: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(60, 120, size, dtype=np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("odd") / "good"
    (root / "more").mkdir(parents=True)
    for number in range(5):
        draw(number).save(root / f"{number}.png")
    (root / "truncated.png").write_bytes((root / "0.png").read_bytes()[:300])
    (root / "empty.png").touch()
    (root / "text.png").write_text("no image at all\n")
    (root / "nothing.png").symlink_to("gone.png")
    sixteen = np.asarray(draw(10)).astype(np.uint16) * 256
    Image.fromarray(sixteen).save(root / "sixteen.png")
    draw(11).convert("CMYK").save(root / "cmyk.jpg")
    draw(12).convert("LA").save(root / "alpha.png")
    draw(13).convert("P").save(root / "palette.gif")
    draw(14, (1, 50)).save(root / "one_row.png")
    draw(15, (30, 300)).save(root / "wide.png")
    draw(16).save(root / "Größe 7.png")
    (root / "notes.txt").write_text("a file that is no image\n")
    draw(17).save(root / "more" / "0.png")
    (root / "more" / "loop").symlink_to(root, target_is_directory=True)
    return root.parent


def test_check_names_each_broken_file(folder: Path, tmp_path: Path) -> None:
    done = inside("check", folder, "--json", tmp_path / "report.json")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert {Path(found["name"]).name for found in report["unreadable"]} == set(BROKEN)
    for name in BROKEN:
        assert f"good/{name}: " in done.stdout
    assert sum(entry["images"] for entry in report["counts"]) == 5 + 1 + len(BROKEN) + len(USABLE)
    assert "Training would use" in done.stdout
    assert "`excision train` needs --few" in done.stdout


def test_train_skips_them_and_inspect_records_them(folder: Path, tmp_path: Path) -> None:
    run, results = tmp_path / "run", tmp_path / "results"
    trained = inside("train", folder, "--out", run, *TINY, "--steps", 2)
    assert trained.returncode == 0, trained.stderr
    facts = json.loads((run / "training.json").read_text("utf-8"))
    skipped = {Path(name).name for name in facts["skipped"]}
    assert skipped
    assert skipped <= set(BROKEN)
    for name in facts["skipped"]:
        assert f"skipped {name}: " in trained.stdout

    done = inside("inspect", run, folder, "--out", results)
    assert done.returncode == 2, done.stderr
    lines = [json.loads(line) for line in (results / "results.jsonl").read_text("utf-8").splitlines()]
    errors = {Path(line["image"]).name: line["error"] for line in lines if line["verdict"] is None}
    assert set(errors) == set(BROKEN)
    assert all(name in error for name, error in errors.items())
    verdicts = [Path(line["image"]).name for line in lines if line["verdict"] is not None]
    assert sorted(verdicts) == sorted([*(f"{n}.png" for n in range(5)), "0.png", *USABLE])
    assert f"{len(BROKEN)} not inspected" in done.stdout


def test_folder_of_nothing_but_broken_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = tmp_path / "parts"
    (parts / "good").mkdir(parents=True)
    for name in "abc":
        (parts / "good" / f"{name}.png").touch()
    assert main(["check", str(parts)]) == 2
    assert "Training is not possible" in capsys.readouterr().out
    assert main(["train", str(parts), "--out", str(tmp_path / "run")]) == 2
    assert "none of the 3 training images can be read" in capsys.readouterr().err
