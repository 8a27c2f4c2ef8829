"""A whole run, from reading to saving: stopped anywhere, it ends with the same files."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision import Detector
from excision.errors import ModelError, SettingsError
from excision.method.fitness import FITNESS
from excision.method.run_folder import (
    CALIBRATION,
    CHECKPOINT,
    FINGERPRINT,
    IMAGE_FORMAT,
    LOG,
    MODEL,
    SETTINGS,
    TRAINING,
)
from tests.conftest import draw_surface
from tests.method.recovery.test_resume import CrashError, stop_at
from tests.method.recovery.test_training import TINY, steps_of, with_training
from tests.nursery import TRAINING as TRAINING_MODULES
from tests.nursery import Program

IMAGES = [draw_surface(number) for number in range(6)]
OUTCOME = (MODEL, CALIBRATION, SETTINGS, FINGERPRINT, IMAGE_FORMAT, FITNESS)


def outcome(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in OUTCOME}


TUNED_TWICE = replace(TINY, attention=replace(TINY.attention, tuning=2))
"""Settings of a training that can be stopped within the tuning."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    run = tmp_path_factory.mktemp("finished") / "run"
    Detector(TINY).fit(IMAGES, run)
    return outcome(run)


@pytest.fixture(scope="module")
def tuned_twice(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    run = tmp_path_factory.mktemp("tuned_twice") / "run"
    Detector(TUNED_TWICE).fit(IMAGES, run)
    return outcome(run)


# An interrupt is something else than another error in the two loops alone.
@pytest.mark.parametrize(
    ("moment", "error"),
    [
        (("tuning attention", 1), KeyboardInterrupt),
        (("tuning attention", 1), CrashError),
        (("normal attention", 1), CrashError),
        (("training", 4), KeyboardInterrupt),
        (("training", 4), CrashError),
        (("calibrating", 1), KeyboardInterrupt),
        (("save", 1), CrashError),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value.__name__,
)
def test_run_stopped_at_any_stage(
    moment: tuple[str, int],
    error: type[BaseException],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = TUNED_TWICE if moment[0] == "tuning attention" else TINY
    whole = request.getfixturevalue("finished" if settings is TINY else "tuned_twice")

    def stage(what: str, done: int, _total: int) -> None:
        if (what, done) == moment:
            raise error

    def progress(done: int, *_: object) -> None:
        stage("training", done, 0)

    with monkeypatch.context() as patched, pytest.raises(error):
        if moment[0] == "save":
            patched.setattr(Detector, "_write", lambda *_: stage("save", 1, 1))
        Detector(settings).fit(IMAGES, tmp_path, progress=progress, stage=stage)
    with pytest.raises(ModelError, match="not finished"):
        Detector.load(tmp_path)
    Detector(settings).fit(IMAGES, tmp_path, resume=True)
    assert outcome(tmp_path) == whole
    assert not (tmp_path / CHECKPOINT).exists()


@pytest.mark.parametrize("lost", [(SETTINGS,), (FINGERPRINT,), (SETTINGS, FINGERPRINT)], ids="+".join)
@pytest.mark.parametrize("resume", [False, True])
def test_run_killed_while_it_was_being_begun(
    lost: tuple[str, ...], resume: bool, finished: dict[str, bytes], tmp_path: Path
) -> None:
    for name in (SETTINGS, FINGERPRINT):
        if name not in lost:
            (tmp_path / name).write_bytes(finished[name])
    Detector(TINY).fit(IMAGES, tmp_path, resume=resume)
    assert outcome(tmp_path) == finished


def test_run_killed_before_it_tidied_up(finished: dict[str, bytes], tmp_path: Path) -> None:
    Detector(TINY).fit(IMAGES, tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"left")
    (tmp_path / ".checkpoint-abcdefgh.safetensors").write_bytes(b"half of one")
    (tmp_path / ".saving-abcdefgh").mkdir()
    again = Detector(TINY).fit(IMAGES, tmp_path, resume=True)
    assert outcome(tmp_path) == finished
    assert again.threshold == Detector.load(tmp_path).threshold
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {*OUTCOME, TRAINING, LOG}


def test_finished_run_is_not_overwritten(finished: dict[str, bytes], tmp_path: Path) -> None:
    Detector(TINY).fit(IMAGES, tmp_path)
    read: list[int] = []
    with pytest.raises(SettingsError, match="holds a run already"):
        Detector(TINY).fit(IMAGES, tmp_path, stage=lambda *_: read.append(1))
    assert not read  # said before any work
    assert outcome(tmp_path) == finished


def test_resume_with_other_settings_or_data_names_the_difference(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        Detector(TINY).fit(IMAGES, tmp_path, progress=stop_at(2, KeyboardInterrupt))
    other = replace(with_training(steps=20), mask=replace(TINY.mask, budget=0.2))
    with pytest.raises(
        SettingsError, match=r"mask\.budget was 0\.04 and is now 0\.2; training\.steps was 12 and"
    ):
        Detector(other).fit(IMAGES, tmp_path, resume=True)
    changed = [*IMAGES[:-1], 255 - IMAGES[-1]]
    for images in (changed, IMAGES[:-1]):
        with pytest.raises(SettingsError, match="other images"):
            Detector(TINY).fit(images, tmp_path, resume=True)
    Detector(TINY).fit(IMAGES, tmp_path, resume=True)


def test_folders_that_cannot_be_a_run(tmp_path: Path) -> None:
    Detector(TINY).fit(IMAGES).save(tmp_path / "model")
    (tmp_path / "model" / FINGERPRINT).unlink()
    with pytest.raises(SettingsError, match="model that was not trained in it"):
        Detector(TINY).fit(IMAGES, tmp_path / "model", resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="is a file"):
        Detector(TINY).fit(IMAGES, tmp_path / "file")
    with pytest.raises(SettingsError, match="cannot be written"):
        Detector(TINY).fit(IMAGES, tmp_path / "file" / "below")


_CHILD = """
import sys
from pathlib import Path
from excision import Detector, Settings
paths = sorted(Path(sys.argv[1]).glob("*.png"))
told = lambda *_: print("step", flush=True)
Detector(Settings.load(Path(sys.argv[2]))).fit(paths, sys.argv[3], resume=True, progress=told)
"""


def test_killed_process_resumes_to_the_same_model(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number, pixels in enumerate(IMAGES):
        Image.fromarray(pixels).save(images / f"{number}.png")
    settings = with_training(steps=60, checkpoint_every=7)
    settings.save(tmp_path / "wanted.toml")
    run = tmp_path / "run"
    words = ["-c", _CHILD, images, tmp_path / "wanted.toml", run]
    with Program(words, TRAINING_MODULES, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(20):
            assert child.stdout.readline() == "step\n"
        child.kill()
    with pytest.raises(ModelError, match="not finished"):
        Detector.load(run)
    paths = sorted(images.glob("*.png"))
    Detector(settings).fit(paths, run, resume=True)
    Detector(settings).fit(paths, tmp_path / "whole")
    assert outcome(run) == outcome(tmp_path / "whole")
    assert json.loads((run / TRAINING).read_text())["resumed"]
    assert np.diff(steps_of(run)).tolist() == [10] * 5
