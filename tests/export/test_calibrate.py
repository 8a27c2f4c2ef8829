"""`excision calibrate`: which images count, how many it takes, and the way back."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision.cli import run as command_line
from excision.errors import ModelError, SettingsError
from excision.method.calibration import calibrate, groups_needed_on_average, too_few
from excision.runtime import calibration_history
from excision.runtime.calibrated_folder import CalibratedFolder
from excision.runtime.calibration_history import HISTORY, State
from excision.runtime.defect_criteria import DefectCriteria
from excision.runtime.inspector import Inspector
from excision.runtime.model_folder import DESCRIPTION, Description
from excision.runtime.trained_on import TRAINED_ON
from excision.synthetic.dataset import write_synthetic

OLD = Path(__file__).parents[1] / "compatibility" / "format_1" / "exported"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled data set of other images than those of the training: 20 good ones and four defective."""
    folder = tmp_path_factory.mktemp("fresh") / "fabric"
    write_synthetic(
        folder, size=(64, 64), train=12, test_good=8, per_defect=1, surfaces=["woven_fabric"], seed=7
    )
    return folder


@pytest.fixture
def line(exported_onnx: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported_onnx, tmp_path / "line"))


@pytest.fixture
def good(fresh: Path, tmp_path: Path) -> Path:
    """The 20 good images in one plain folder."""
    folder = tmp_path / "good_parts"
    folder.mkdir()
    for split in ("train", "test"):
        for path in (fresh / split / "good").iterdir():
            shutil.copy(path, folder / f"{split}_{path.name}")
    return folder


def calibrated(line: Path) -> int:
    return len(Description.load(line).calibration.scores)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("count", "rate", "enough"),
    [(1, 0.01, False), (18, 0.01, False), (19, 0.01, True), (3, 0.3, True), (2, 0.3, False), (1, 0.5, True)],
)
def test_enough_images_promise_the_wanted_rate_or_five_percent(count: int, rate: float, enough: bool) -> None:
    assert (too_few(count, rate) is None) == enough
    assert enough == (1 / (count + 1) <= max(rate, 0.05) + 1e-12)
    assert tuple(map(groups_needed_on_average, (0.05, 0.01, 0.3))) == (19, 99, 3)


def test_too_few_images_change_nothing_unless_they_are_meant(
    line: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(line)
    few = [str(path) for path in sorted(good.iterdir())[:4]]
    assert command_line(["calibrate", str(line), *few, "--false-alarm-rate", "1%"]) == 2
    told = capsys.readouterr().err
    assert "4 independent groups of good images can promise a false-alarm rate of at most 45 %" in told
    assert "90 % confidence (on average 20 %)" in told
    assert "it takes 19 to promise 5 % on average, and 230 to promise the wanted 1 %" in told
    assert "--few" in told
    assert files(line) == before
    assert command_line(["calibrate", str(line), *few, "--false-alarm-rate", "1%", "--few"]) == 0
    assert "on average at most 20 %" in capsys.readouterr().out
    assert calibrated(line) == 4


def test_one_image_many_times_is_one_image(
    line: Path, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, folder = sorted(good.iterdir())[0], tmp_path / "copies"
    folder.mkdir()
    with Image.open(one) as image:
        for number in range(15):
            image.save(folder / f"{number}.png", compress_level=number % 10)
            image.save(folder / f"{number}.tif")
    assert command_line(["calibrate", str(line), str(folder), "--false-alarm-rate", "1%"]) == 2
    said = capsys.readouterr()
    assert "Left out 29 images that are the same as another one" in said.out
    assert "1 independent group of good images can promise" in said.err


def test_images_that_were_trained_on_are_left_out_under_any_name(
    line: Path, parts: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fingerprint = json.loads((line / TRAINED_ON).read_text("utf-8"))
    assert len(fingerprint["files"]) == len(fingerprint["images"]) == 8
    for number, path in enumerate((parts / "train" / "good").iterdir()):
        with Image.open(path) as image:
            # Another file, the same pixels.
            image.save(good / f"again_{number}.bmp")
    assert command_line(["calibrate", str(line), str(good), "--false-alarm-rate", "5%"]) == 0
    assert "Left out 8 images that the model was trained on" in capsys.readouterr().out
    # The two of the ten that were held out count.
    assert calibrated(line) == 22
    before = files(line)
    assert command_line(["calibrate", str(line), str(parts / "train" / "good"), "--few"]) == 0
    assert calibrated(line) == 2
    assert files(line) != before


def test_a_labelled_data_set_gives_its_good_images(
    line: Path, fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line(["calibrate", str(line), str(fresh), "--false-alarm-rate", "5%"]) == 0
    assert "its 20 good images are used, and no defective one" in capsys.readouterr().out
    assert calibrated(line) == 20


def test_an_old_export_says_that_it_cannot_recognise_its_images(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Path(shutil.copytree(OLD, tmp_path / "old"))
    before = Description.load(line)
    assert command_line(["calibrate", str(line), str(good), "--false-alarm-rate", "5%"]) == 0
    assert "does not say which images the model was trained on" in capsys.readouterr().out
    assert calibrated(line) == 20
    assert command_line(["calibrate", str(line), "--undo"]) == 0
    assert Description.load(line) == before


def test_undo_goes_back_step_by_step(
    line: Path, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.pad(np.full((40, 40), 255, np.uint8), 12)).save(tmp_path / "roi.png")
    image = sorted(good.iterdir())[0]

    def state() -> tuple[Description, float, str]:
        inspector = Inspector(line, threads=1)
        found = inspector.inspect(image)
        # The hash of the picture of the region follows from its pixels, which the score shows.
        return dataclasses.replace(inspector.description, files={}), found.score, found.verdict

    states = [state()]
    for words in (
        ["--false-alarm-rate", "10%", "--roi", tmp_path / "roi.png"],
        ["--false-alarm-rate", "5%", "--review-rate", "30%", "--minimum-area", "4"],
        ["--false-alarm-rate", "20%", "--review-rate", "0"],
    ):
        assert command_line(["calibrate", str(line), str(good), *map(str, words)]) == 0
        states.append(state())
    assert len({repr(known) for known in states}) == 4
    entries = json.loads((line / HISTORY).read_text("utf-8"))
    assert [entry["images"] for entry in entries] == [2, 20, 20]
    assert all(entry["replaced"].endswith("+00:00") for entry in entries)
    for known in reversed(states[:-1]):
        assert command_line(["calibrate", str(line), "--undo"]) == 0
        assert state() == known
    capsys.readouterr()
    assert command_line(["calibrate", str(line), "--undo"]) == 2
    assert "no earlier calibration" in capsys.readouterr().err
    assert state() == states[0]


def test_a_threshold_of_least_cost(
    line: Path, good: Path, fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", str(line), str(good), "--groups", "each", "--confidence", "95%"]
    before = files(line)
    assert command_line([*words, "--cost-of-escape", "5"]) == 2
    assert "also needs --cost-of-false-alarm and --defect-share and --defects" in capsys.readouterr().err
    costs = ["--cost-of-escape", "5", "--cost-of-false-alarm", "1", "--defect-share", "10%"]
    assert command_line([*words, *costs, "--defects", str(good), "--false-alarm-rate", "1%"]) == 2
    assert "either rates or costs" in capsys.readouterr().err
    scratch = next(path for path in sorted((fresh / "test").iterdir()) if path.name != "good")
    assert command_line([*words, *costs, "--defects", str(scratch)]) == 2
    assert "defective parts are too few" in capsys.readouterr().err
    assert files(line) == before
    drawn = good.parent / "drawn"
    drawn.mkdir()
    for number, path in enumerate(sorted(good.iterdir())[:8]):
        pixels = np.array(Image.open(path).convert("L"))
        pixels[20:30, 10 + number : 22 + number] = 255
        Image.fromarray(pixels).save(drawn / f"{number}.png")
    assert command_line([*words, *costs, "--defects", str(drawn)]) == 0
    told = capsys.readouterr().out
    assert "5 for an escape, 1 for a false alarm and 10 % defective parts" in told
    assert "95 % confidence" in told and "8 marked parts" in told
    stored = Description.load(line).calibration
    assert stored.cost is not None and stored.cost.defects == 8
    assert command_line(["calibrate", str(line), "--undo"]) == 0
    assert Description.load(line).calibration.cost is None


def test_the_promise_keeps_the_confidence_and_counts_groups(
    line: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", str(line), str(good), "--false-alarm-rate", "20%"]
    assert command_line([*words, "--confidence", "95%", "--groups", "each"]) == 0
    told = capsys.readouterr().out
    assert "with 95 % confidence over the choice of the calibration images (20 images in 20 groups" in told
    assert command_line([*words, "--groups", r"(train|test)_\w+\.\w+$", "--few"]) == 0
    told = capsys.readouterr().out
    assert "with 95 % confidence" in told and "20 images in 2 groups" in told
    stored = Description.load(line).calibration
    assert (stored.confidence, stored.count_groups, len(stored.names)) == (0.95, 2, 20)
    assert command_line([*words, "--confidence", "1"]) == 2
    assert "--confidence is 1.0" in capsys.readouterr().err


class Killed(BaseException):
    """Ends a process between two writes."""


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of the write at which to end; each write counts down."""
    left = [0]
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        yield left


def test_a_kill_leaves_the_state_before_or_after(line: Path, killed_at: list[int]) -> None:
    """Between any two writes of a calibration that changes everything, and of its undo."""

    def state(folder: CalibratedFolder) -> object:
        return State.of(folder.description, folder.criteria).to_json()

    killed_at[0] = 10**9
    scores = [float(number) for number in range(1, 30)]
    first = state(CalibratedFolder(line))
    CalibratedFolder(line).recalibrate(scores, 0.1)
    second = state(CalibratedFolder(line))
    region = np.zeros(CalibratedFolder(line).image_format.size, bool)
    region[:9] = True
    third = {**State.of(Description.load(line), DefectCriteria(region, 3)).to_json()}
    third["calibration"] = dataclasses.asdict(calibrate(scores, 0.3))
    for steps in range(6):
        changed = CalibratedFolder(line)
        changed.criteria = DefectCriteria(region, 3)
        killed_at[0] = steps
        with suppress(Killed):
            changed.recalibrate(scores, 0.3)
        killed_at[0] = 10**9
        assert state(CalibratedFolder(line)) in (second, third)
        killed_at[0] = steps
        with suppress(Killed):
            CalibratedFolder(line).undo_calibration()
        killed_at[0] = 10**9
        assert state(CalibratedFolder(line)) in (first, second, third)
        if state(CalibratedFolder(line)) == first:
            CalibratedFolder(line).recalibrate(scores, 0.1)
    seen = [state(CalibratedFolder(line))]
    with pytest.raises(SettingsError, match="no earlier"):
        while True:
            CalibratedFolder(line).undo_calibration()
            seen.append(state(CalibratedFolder(line)))
    assert seen[-1] == first
    assert all(one != two for one, two in pairwise(seen))


@pytest.mark.parametrize(
    "content",
    ["{", "{}", "[1]", '[{"calibration": {}}]', "[" * 100_000, '[{"review": null, "region": "../x"}]'],
)
def test_a_damaged_history_is_kept_and_named(line: Path, content: str) -> None:
    (line / HISTORY).write_text(content)
    before = files(line)
    with pytest.raises(ModelError, match=HISTORY):
        CalibratedFolder(line).undo_calibration()
    assert files(line) == before


@pytest.mark.parametrize("content", ["{", "[]", '{"files": 3}'])
def test_damaged_hashes_are_named(
    line: Path, good: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (line / TRAINED_ON).write_text(content)
    assert command_line(["calibrate", str(line), str(good), "--false-alarm-rate", "5%"]) == 2
    assert TRAINED_ON in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [[], ["--undo", "--few"], ["GOOD", "--undo"], ["--undo", "--review-rate", "0"]]
)
def test_what_does_not_go_together(line: Path, good: Path, words: list[str]) -> None:
    before = (line / DESCRIPTION).read_bytes()
    assert command_line(["calibrate", str(line), *(str(good) if w == "GOOD" else w for w in words)]) == 2
    assert (line / DESCRIPTION).read_bytes() == before


def test_the_history_has_a_limit(line: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CalibratedFolder(line).recalibrate([1.0, 2.0], 0.4)
    monkeypatch.setattr(calibration_history, "_LARGEST", 10)
    with pytest.raises(ModelError, match="larger than"):
        CalibratedFolder(line).undo_calibration()


@pytest.mark.parametrize("data", ["fresh", "plain"])
def test_a_folder_of_defects_is_not_taken_as_good(
    line: Path, fresh: Path, good: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if data == "fresh":
        folder = next(path for path in sorted((fresh / "test").iterdir()) if path.name != "good")
    else:
        folder = good.parent / "scratch"
        shutil.move(good, folder)
        (good.parent / "good").mkdir()
    before = calibrated(line)
    assert command_line(["calibrate", str(line), str(folder), "--few"]) == 2
    assert f"{folder}: lies beside a folder of good images" in capsys.readouterr().err
    assert calibrated(line) == before


def test_an_area_that_no_defect_can_have_is_refused_before_the_work(
    line: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (line / DESCRIPTION).read_bytes()
    height, width = Description.load(line).size
    words = ["calibrate", str(line), str(good), "--false-alarm-rate", "10%", "--minimum-area"]
    assert command_line([*words, str(height * width + 1)]) == 2
    assert f"has only {height * width} pixels" in " ".join(capsys.readouterr().err.split())
    assert (line / DESCRIPTION).read_bytes() == before
    assert command_line([*words, str(height * width // 4)]) == 0
    assert "covers 25% of the working image" in " ".join(capsys.readouterr().out.split())
