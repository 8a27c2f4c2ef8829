"""Good training images that look defective: found in a training, reported, and left out on request."""

from __future__ import annotations

import csv
import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from excision.cli import run as main
from excision.data import load_dataset
from excision.detector import Detector
from excision.export import export
from excision.method.run_folder import FINGERPRINT, TRAINING, read_json
from excision.method.run_start import dropped_images
from tests.cli.conftest import SMALL
from tests.conftest import draw_surface

COUNT = 30


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of good images, two of which show a bright bar."""
    folder = tmp_path_factory.mktemp("mixed")
    for number in range(COUNT):
        image = np.array(draw_surface(number))
        if number in (7, 23):
            image[20:30, 8:40] = 255
        Image.fromarray(image.squeeze()).save(folder / f"part_{number:02}.png")
    return folder


def train(mixed: Path, out: Path, *more: str, cross_fit: bool = False) -> int:
    words = [word for word in SMALL if not cross_fit or word != "--calibration.no-cross-fit"]
    return main(["train", str(mixed), "--out", str(out), *words, "--steps", "10", "--groups", "each", *more])


@pytest.fixture(scope="module")
def plain(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run whose training found suspects, and what it printed; tests must not change the folder."""
    run = tmp_path_factory.mktemp("plain") / "run"
    with redirect_stdout(io.StringIO()) as told:
        assert train(mixed, run, "--few") == 0
    return run, told.getvalue()


def suspects(run: Path) -> set[str]:
    with (run / "suspects" / "suspects.csv").open(newline="") as stream:
        return {row["image"] for row in csv.DictReader(stream)}


def test_suspects_are_named_with_their_maps_and_left_out_on_request(
    mixed: Path,
    plain: tuple[Path, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, told = plain
    assert {"part_07.png", "part_23.png"} <= suspects(run)
    assert "part_07.png: anomaly score" in told and "--drop-suspects" in told
    page = (run / "suspects" / "report.html").read_text()
    assert f"{len(suspects(run))} of {COUNT} good training images look defective." in page
    assert "are defective" not in page and "Defects found" not in page
    assert len(list((run / "suspects" / "overlays").iterdir())) == len(suspects(run))

    kept, fit = [], Detector.fit

    def fitted(detector: Detector, *given: Any, for_suspects: bool, **named: Any) -> Detector:
        kept.append(for_suspects)
        return fit(detector, *given, for_suspects=for_suspects, **named)

    monkeypatch.setattr(Detector, "fit", fitted)
    without = tmp_path / "without"
    assert train(mixed, without, "--few", "--drop-suspects") == 0
    assert "Left out" in capsys.readouterr().out
    # Of the second training, no suspects are looked for.
    assert kept == [True, False]
    assert set(dropped_images(without)) == suspects(without) == suspects(run)
    used = read_json(without / FINGERPRINT)
    assert not suspects(run) & {*used["training"], *used["calibration"]}
    facts = read_json(without / TRAINING)
    assert facts["n_training"] + facts["n_calibration"] == COUNT - len(suspects(run))
    assert not (without / "with_suspects").exists()

    class ReachedError(Exception):
        pass

    def write(*_: object) -> None:
        raise ReachedError

    # The folder still has the images that were left out: it is not refused, and they stay left out.
    data = export._training_data(Detector.load(without, device="cpu"), without, mixed, None)
    again = data.fingerprint()
    assert {*again["training"], *again["calibration"]} == {*used["training"], *used["calibration"]}
    monkeypatch.setattr(export, "write_onnx", write)
    with pytest.raises(ReachedError):
        export.export(without, mixed, tmp_path / "exported")


def test_a_training_without_suspects_is_the_same_with_the_option(mixed: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    clean.mkdir()
    for path in sorted(mixed.iterdir())[8:22]:
        (clean / path.name).write_bytes(path.read_bytes())
    plain, asked = tmp_path / "plain", tmp_path / "asked"
    assert train(clean, plain, "--few") == train(clean, asked, "--few", "--drop-suspects") == 0
    assert (plain / "model.safetensors").read_bytes() == (asked / "model.safetensors").read_bytes()
    assert not (asked / "suspects").exists() and not (asked / "with_suspects").exists()


def test_what_the_fit_learnt_gives_the_same_suspects_as_learning_it_again(
    mixed: Path, plain: tuple[Path, str]
) -> None:
    """The training kept the statistics of its fit; a detector that was loaded has none to keep."""
    run, _ = plain
    again = Detector.load(run, device="cpu").suspects(load_dataset(mixed), run=run)
    with (run / "suspects" / "suspects.csv").open(newline="") as stream:
        kept = {row["image"]: float(row["score"]) for row in csv.DictReader(stream)}
    assert {each.name: each.score for each, _ in again} == kept


def test_scores_that_calibrated_are_not_computed_again(
    mixed: Path, plain: tuple[Path, str], tmp_path: Path
) -> None:
    """With and without them, the same images are suspects."""
    assert train(mixed, tmp_path / "crossed", "--few", cross_fit=True) == 0
    assert suspects(tmp_path / "crossed") == suspects(plain[0])
