"""`excision train` in a process: what it says, which settings it takes, how it is stopped and goes on."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from excision.cli import run as main
from excision.cli.settings_options import SettingsOptions, override
from excision.errors import SettingsError
from excision.method.run_folder import CHECKPOINT, MODEL, read_json
from excision.settings import Settings
from excision.system.files import sha256
from tests.cli.conftest import SMALL, TINY, environment, excision, inside
from tests.nursery import TRAINING, Program

STEPS = 160
"""Long enough that a moment of a training is easily hit."""


def test_says_what_a_user_must_know(trained: tuple[Path, str]) -> None:
    run, told = trained
    facts = read_json(run / "training.json")
    assert "8 good images; calibrated on 2 more" in told
    assert "48 x 48 pixels (height x width), as given" in told
    assert "2 images in 2 groups; on average at most 34 %" in told
    assert f"{facts['peak_memory_mb']:.0f} MB" in told
    assert f"excision inspect {run} NEW_IMAGES" in told
    assert f"excision evaluate {run}" in told
    assert (run / "figures" / "training.png").stat().st_size > 0


def test_the_figure_of_a_training_is_drawn(trained: tuple[Path, str], parts: Path, tmp_path: Path) -> None:
    """As `excision demo` does, which trains by other means."""
    from excision.data import load_dataset
    from excision.detector import Detector
    from excision.report.training import keep_pictures

    run = Path(shutil.copytree(trained[0], tmp_path / "run"))
    shutil.rmtree(run / "figures")
    keep_pictures(Detector.load(run, device="cpu"), load_dataset(parts), run)
    assert (run / "figures" / "training.png").read_bytes() == (
        trained[0] / "figures" / "training.png"
    ).read_bytes()


def test_so_few_images_are_refused_unless_they_are_meant(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted((parts / "train" / "good").iterdir())[:4]:
        (few / path.name).write_bytes(path.read_bytes())
    words = ["train", str(few), "--out", str(tmp_path / "run"), *SMALL, "--steps", "2"]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "of 4 good images, 1 is held out for calibration" in told
    assert "1 independent group of good images can promise" in told
    assert "it takes 19 to promise 5 % on average, and 230 to promise the wanted 1 %" in told
    assert "about 1150 groups of good images in all" in told
    assert "--few" in told
    assert not (tmp_path / "run").exists()
    assert main([*words, "--few"]) == 0
    assert "on average at most 50 %" in capsys.readouterr().out


def test_takes_settings_by_both_names(trained: tuple[Path, str]) -> None:
    settings = Settings.load(trained[0] / "settings.toml")
    assert settings.image.size == (48, 48)
    assert settings.training.steps == 10
    assert settings.recovery.width == 4
    assert settings.calibration.false_alarm_rate == pytest.approx(0.4)
    assert settings.mask == Settings().mask


def test_options_go_before_a_settings_file(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "some.toml").write_text('[mask]\nfill = "mosaic"\nbudget = 0.2\n[image]\nchannels = 3\n')
    words = ["train", parts, "--out", tmp_path / "run", *TINY, "--steps", 2]
    options = [
        "--settings",
        tmp_path / "some.toml",
        "--mask.budget",
        "5%",
        "--mask.no-enabled",
        "--device",
        "cpu",
    ]
    assert main([str(word) for word in [*words, *options]]) == 0
    settings = Settings.load(tmp_path / "run" / "settings.toml")
    assert settings.mask.fill == "mosaic"
    assert settings.mask.budget == pytest.approx(0.05)
    assert settings.mask.enabled is False
    assert settings.image.channels == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--steps", "10"], "--resume"), (["--resume", "--steps", "11"], "training.steps was 10 and is now 11")],
)
def test_run_is_not_overwritten(
    options: list[str],
    said: str,
    trained: tuple[Path, str],
    parts: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, _ = trained
    before = sha256(run / MODEL)
    assert main(["train", str(parts), "--out", str(run), *options]) == 2
    assert said in capsys.readouterr().err
    assert sha256(run / MODEL) == before


def test_training_says_first_how_small_a_defect_can_be_seen(trained: tuple[Path, str]) -> None:
    told, _, rest = trained[1].partition("Trained on")
    assert "Smallest defect that can be seen: about " in " ".join(told.split())
    assert "Image size" in rest


def test_a_size_for_a_smallest_defect_and_its_price(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", str(parts), "--smallest-defect", "0.2mm", "--mm-per-pixel", "0.1"]
    assert main([*words, "--json", str(tmp_path / "report.json")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Smallest defect wanted: 2 px of the images (0.2 mm) in diameter" in told
    assert "the networks need 8 px of the working image" in told
    assert "The images themselves show no more: 8 px of the images (0.8 mm)" in told
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["relative_time"] == 1
    assert report["training"]["smallest_defect"]["wanted"] == pytest.approx(2)
    assert main(["check", str(parts), "--smallest-defect", "0.2mm"]) == 2
    assert "state --mm-per-pixel" in capsys.readouterr().err


def test_unknown_device_is_refused(parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(parts), "--out", str(tmp_path / "run"), *TINY, "--device", "abacus"]) == 2
    assert 'the device "abacus" is not available' in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_override_names_the_value_out_of_range() -> None:
    assert override(Settings(), None) == Settings()
    assert override(Settings(), SettingsOptions()) == Settings()
    made: Any = SettingsOptions  # its fields are made from those of the settings
    section = made.__dataclass_fields__["mask"].type.__args__[0].__args__[0]
    with pytest.raises(SettingsError, match=r"mask\.patch is 0"):
        override(Settings(), made(mask=section(patch=0)))


@pytest.fixture(scope="module")
def uninterrupted(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of a model whose training nobody stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    done = inside("train", parts, "--out", run, *TINY, "--steps", STEPS)
    assert done.returncode == 0, done.stderr
    return sha256(run / MODEL)


def stop_in_training(parts: Path, run: Path, number: signal.Signals, *options: str) -> tuple[int, str]:
    """Train until some moment after another checkpoint, send a signal, give exit status and stderr."""
    checkpoint = run / CHECKPOINT
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    words = ["-m", "excision", "train", parts, "--out", run, *TINY, "--steps", STEPS, *options]
    pipe = subprocess.PIPE
    with Program(words, TRAINING, stdout=pipe, stderr=pipe, env=environment()) as process:
        deadline = time.monotonic() + 300
        while not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.1))
        process.send_signal(number)
        _, told = process.communicate(timeout=300)
    return process.returncode, told.decode()


def test_interrupt_saves_and_resumes(parts: Path, tmp_path: Path, uninterrupted: str) -> None:
    status, told = stop_in_training(parts, tmp_path / "run", signal.SIGINT)
    assert status == 130
    assert "Traceback" not in told
    assert not (tmp_path / "run" / MODEL).exists()
    advice = told.strip().splitlines()[-1]
    assert advice.startswith("stopped; continue with: excision train ")
    resumed = inside(*advice.partition("excision ")[2].split())
    assert resumed.returncode == 0, resumed.stderr
    assert sha256(tmp_path / "run" / MODEL) == uninterrupted


def test_kills_at_random_moments_change_nothing(parts: Path, tmp_path: Path, uninterrupted: str) -> None:
    run = tmp_path / "run"
    for _ in range(3):
        status, _told = stop_in_training(parts, run, signal.SIGKILL, "--resume")
        assert status == -signal.SIGKILL
    assert not (run / MODEL).exists()
    # The run knows its settings: to go on it takes no more than this.
    done = excision("train", parts, "--out", run, "--resume")
    assert done.returncode == 0, done.stderr
    assert sha256(run / MODEL) == uninterrupted
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("place", [".", "train", "train/good", "test/../train/good"])
def test_a_run_among_the_images_is_refused(
    place: str, parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(parts, tmp_path / "parts"))
    before = sorted(data.rglob("*"))
    assert main(["train", str(data), "--out", str(data / place), *SMALL, "--few", "--steps", "1"]) == 2
    assert "is a folder of the data set" in capsys.readouterr().err
    assert sorted(data.rglob("*")) == before


def test_a_run_beside_the_images_or_begun_among_them_is_not_refused(parts: Path, tmp_path: Path) -> None:
    from excision.data import load_dataset
    from excision.method.run_start import check_apart

    data = Path(shutil.copytree(parts, tmp_path / "parts"))
    dataset = load_dataset(data)
    for folder in (data / "runs" / "x", data.parent, tmp_path / "run"):
        check_apart(folder, dataset)
    for name in ("settings.toml", "fingerprint.json"):
        (data / name).touch()
    check_apart(data, dataset)
