"""Models and results at URLs for the verbs that work on folders, on a real S3 server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from excision.inspection.loading import load
from excision.storage.manifest import open_manifest
from excision.storage.opening import open_folder
from excision.storage.outgoing import upload
from excision.storage.remote import list_remote
from tests.cli.conftest import inside
from tests.storage.server import s3_environment, s3_server

pytest.importorskip("s3fs")
pytest.importorskip("moto")

FORMAT_1 = Path(__file__).parents[1] / "compatibility" / "format_1"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bucket with a model and a labelled data set."""
    cache = str(tmp_path_factory.mktemp("cache"))
    with s3_server() as port, s3_environment(port, EXCISION_CACHE=cache):
        data = tmp_path_factory.mktemp("data")
        for place, number in (("train/good", 0), ("train/good", 1), ("test/good", 0), ("test/hole", 2)):
            (data / place).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(FORMAT_1 / f"{number}.png", data / place / f"{number}.png")
        upload(data, open_folder("s3://plant/data"))
        upload(FORMAT_1 / "exported", open_folder("s3://plant/line"))
        yield "s3://plant"


def names(url: str) -> set[str]:
    return {file.name for file in list_remote(url)}


def said(done: Any) -> str:
    return f"{done.returncode} {done.stdout} {done.stderr}"


def test_models_are_read_and_results_written_at_urls(bucket: str, tmp_path: Path) -> None:
    assert inside("verify", f"{bucket}/line").returncode == 0
    assert inside("verify", f"file://{FORMAT_1}/exported").returncode == 0
    assert load(f"{bucket}/line").threshold == load(FORMAT_1 / "exported").threshold
    done = inside("evaluate", f"{bucket}/line", f"{bucket}/data", "--out", f"{bucket}/evaluation")
    assert done.returncode == 0 and f"Copied to {bucket}/evaluation" in done.stdout, said(done)
    assert {"evaluation.json", "report.html", "scores.csv"} <= names(f"{bucket}/evaluation")
    local = inside("evaluate", FORMAT_1 / "exported", f"{bucket}/data", "--out", tmp_path / "evaluation")
    assert local.returncode == 0, said(local)
    upload(tmp_path / "evaluation", open_folder(f"{bucket}/local"))
    assert names(f"{bucket}/local") == names(f"{bucket}/evaluation")
    assert not list((tmp_path.parent / "cache").glob("outgoing/*/*"))
    again = inside("evaluate", f"{bucket}/line", f"{bucket}/data", "--out", f"{bucket}/evaluation")
    assert again.returncode == 2 and "there are files already" in again.stderr
    beside = inside("evaluate", f"{bucket}/line", f"{bucket}/data")
    assert beside.returncode == 2 and "nothing is written into a model at a URL" in beside.stderr


def test_a_manifest_is_written_to_a_url(bucket: str) -> None:
    done = inside("manifest", f"{bucket}/data", "--out", f"{bucket}/lists/images.parquet")
    assert done.returncode == 0, said(done)
    assert names(f"{bucket}/lists") == {"images.parquet"}
    assert open_manifest(f"{bucket}/lists/images.parquet").rows == 4


def test_good_images_regions_and_figures_at_urls(bucket: str, tmp_path: Path) -> None:
    """A folder and a single image as data, a region in an option, and figures as JSON."""
    shutil.copytree(FORMAT_1 / "exported", tmp_path / "line")
    with Image.open(FORMAT_1 / "0.png") as image:
        Image.new("L", image.size, 255).save(tmp_path / "region.png")
    with open_folder(f"{bucket}/options").writing("region.png") as target:
        shutil.copyfile(tmp_path / "region.png", target)
    with open_folder(f"{bucket}/single").writing("3.png") as target:
        shutil.copyfile(FORMAT_1 / "3.png", target)
    good = (f"{bucket}/data/train/good", f"{bucket}/single/3.png")
    done = inside("calibrate", tmp_path / "line", *good, "--few", "--roi", f"{bucket}/options/region.png")
    assert done.returncode == 0, said(done)
    calibration = load(tmp_path / "line").calibration
    assert calibration is not None and len(calibration.scores) == 3
    done = inside("check", f"{bucket}/data", "--json", f"{bucket}/figures/check.json")
    assert done.returncode in (0, 2) and names(f"{bucket}/figures") == {"check.json"}, said(done)
    missing = inside("calibrate", tmp_path / "line", f"{bucket}/single/4.png", "--few")
    assert missing.returncode == 2 and f"{bucket}/single/4.png: no such file" in missing.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["calibrate", "s3://plant/line", "s3://plant/data"],
        ["report", "s3://plant/evaluation"],
        ["backup", "s3://plant/station", "--to", "copy/"],
        ["watch", "line/", "new/", "--out", "s3://plant/station"],
        ["synth", "--out", "gs://plant/fabric"],
        ["improve", "s3://plant/line", "--station", "station"],
        ["serve", "line=s3://plant/line", "--data", "station"],
    ],
)
def test_a_verb_that_takes_no_url_says_so(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = inside(*words)
    assert done.returncode == 2, said(done)
    assert "://plant/" in done.stderr and "this must be a local path, not a URL" in done.stderr
