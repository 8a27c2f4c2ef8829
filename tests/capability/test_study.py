"""Whole studies on a tiny model: the same every time, interrupted or not, with and without torch."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from excision.capability import study
from excision.capability.kinds import KINDS
from excision.capability.measure import measure_capability
from excision.capability.part import Part
from excision.capability.plan import Design, choose_grid, choose_sizes
from excision.capability.records import read_drawings
from excision.capability.requirement import parse_requirement
from excision.capability.result import Capability
from excision.capability.settings import StudySettings
from excision.cli import run as command_line
from excision.errors import DatasetError, ResultsError, SettingsError
from excision.method.fitness import FITNESS

if TYPE_CHECKING:
    from excision import Detector

SMALL = StudySettings(
    drawings=60, kinds=("scratch", "pit"), contrasts=(0.2, 0.6), requirements=("pit 12 px",), per_region=3
)


@pytest.fixture(scope="module")
def loud(fitted: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a threshold that good images stay below; it judges no image as unfit."""
    folder = saved(fitted, 1.15, tmp_path_factory.mktemp("model") / "run")
    (folder / FITNESS).unlink()
    return folder


def saved(fitted: Detector, factor: float, folder: Path) -> Path:
    fitted.with_thresholds(fitted.threshold * factor).save(folder)
    return folder


@pytest.fixture(scope="module")
def measured(loud: Path, good: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Capability]:
    out = tmp_path_factory.mktemp("study") / "out"
    return out, measure_capability(loud, [good], out, SMALL, groups="each")


def test_everything_is_measured(measured: tuple[Path, Capability]) -> None:
    out, result = measured
    records = read_drawings(out)
    assert len(records) == result.drawings == 60 + 27
    assert [one.number for one in records] == list(range(87))
    counts = Counter((one.kind, one.contrast) for one in records if not one.requirement)
    assert set(counts.values()) == {15}
    assert result.parts + result.false_calls == 30
    for one in records:
        assert one.hit == (one.score > result.threshold)
        assert one.plain <= result.threshold
        assert 0 <= one.down <= 1
        assert 0 <= one.across <= 1
    assert [curve.kind for curve in result.curves] == ["scratch", "scratch", "pit", "pit"]
    for curve in result.curves:
        assert sum(one.number for one in curve.bins) == curve.drawings == 15
        assert all(a <= b <= c for a, b, c in zip(curve.lower, curve.pod, curve.upper, strict=True))
        assert all(a < b for a, b in pairwise(curve.size))
    assert Capability.load(out / "capability.json") == result


def test_interrupted_and_resumed_is_the_same(
    loud: Path, good: Path, measured: tuple[Path, Capability], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0
    real = study._one

    def stopping(*given: object) -> object:
        nonlocal count
        count += 1
        if count == 50:
            raise KeyboardInterrupt
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(study, "_one", stopping)
    with pytest.raises(KeyboardInterrupt):
        measure_capability(loud, [good], tmp_path, SMALL, groups="each")
    monkeypatch.undo()
    with (tmp_path / "drawings.csv").open("a", encoding="utf-8") as stream:
        stream.write("86,half a li")  # what a kill leaves
    with pytest.raises(SettingsError, match="--resume"):
        measure_capability(loud, [good], tmp_path, SMALL, groups="each")
    other = dataclasses.replace(SMALL, contrasts=(0.3,))
    with pytest.raises(SettingsError, match="other contrasts"):
        measure_capability(loud, [good], tmp_path, other, groups="each", resume=True)
    again = measure_capability(loud, [good], tmp_path, SMALL, groups="each", resume=True)
    assert again == measured[1]
    assert (tmp_path / "drawings.csv").read_bytes() == (measured[0] / "drawings.csv").read_bytes()


def test_a_time_limit_keeps_what_was_drawn(loud: Path, good: Path, tmp_path: Path) -> None:
    hasty = dataclasses.replace(SMALL, minutes=1e-6, requirements=())
    result = measure_capability(loud, [good], tmp_path, hasty, groups="each")
    assert result.drawings == 1
    assert any("The time limit ended the study after 1 of 60" in note for note in result.notes)


def test_without_a_part_left_it_says_why(fitted: Detector, good: Path, tmp_path: Path) -> None:
    folder = saved(fitted, 1e-6, tmp_path / "run")
    with pytest.raises(DatasetError, match="calls every one of the 30 good images defective"):
        measure_capability(folder, [good], tmp_path / "out", SMALL, groups="each")


@pytest.mark.parametrize(
    "damage", ["", "[]", "{}", '{"format": 99}', "null", '{"format": 1, "model": 3}', "\x00"]
)
def test_a_damaged_result_is_refused(measured: tuple[Path, Capability], tmp_path: Path, damage: str) -> None:
    path = tmp_path / "capability.json"
    path.write_text(damage, "utf-8")
    with pytest.raises(ResultsError):
        Capability.load(path)
    content = json.loads((measured[0] / "capability.json").read_text("utf-8"))
    content["curves"][0]["a90"] = {"value": "3", "relation": "="}
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ResultsError, match="value is not of type float"):
        Capability.load(path)


def test_exported_folders_need_no_torch(exported_line: Path, good: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from excision.cli import run; "
        "status = run(sys.argv[1:]); print(status, 'torch' in sys.modules, 'scipy' in sys.modules)"
    )
    words = [
        "capability", exported_line, good, "--out", tmp_path / "out", "--drawings", "24", "--kinds", "pit",
        "--contrasts", "50%", "--requirement", "pit 15 px", "--per-region", "1", "--groups", "each",
        "--mm-per-pixel", "0.1", "--store",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("1 False False"), done.stdout + done.stderr
    assert "Not shown" in done.stdout or "No: fewer" in done.stdout
    assert Capability.load(exported_line / "capability.json").mm_per_pixel == 0.1
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "Drawn defects are not real ones" in page
    assert "pit 15 px" in page


def test_maps_are_pictures_and_numbers(measured: tuple[Path, Capability], tmp_path: Path) -> None:
    from excision.report.capability_maps import write_maps

    _, result = measured
    for path in write_maps(tmp_path, result):
        if path.suffix == ".tiff":
            values = tifffile.imread(path)
            assert values.dtype == np.float32
            assert values.shape == (result.height, result.width)
            finite = values[np.isfinite(values)]
            shown = next(one for one in result.maps if one.kind in path.name)
            assert ((finite >= shown.smallest * 0.99) & (finite <= shown.largest * 1.01)).all()
        else:
            with Image.open(path) as picture:
                assert picture.mode == "RGB"


def test_the_plan_is_balanced_and_continues() -> None:
    design = Design(
        3, KINDS, (0.1, 0.2), choose_sizes(KINDS, (480, 360), 2.0, None),
        (parse_requirement("pit 9 px"), parse_requirement("crack 40 px")), 5, choose_grid(480, 360),
        tuple(f"group {n // 3}" for n in range(60)),
    )  # fmt: skip
    assert design.required == 2 * 5 * 9
    orders = [design.order(n) for n in range(design.required + 12 * 200)]
    required, curves = orders[: design.required], orders[design.required :]
    assert Counter((one.requirement, one.cell) for one in required) == {
        (number, (row, column)): 5 for number in (0, 1) for row in range(3) for column in range(3)
    }
    for number in (0, 1):
        for cell in ((0, 0), (2, 1)):
            groups = [one.part // 3 for one in required if one.requirement == number and one.cell == cell]
            assert len(set(groups)) == 5
    counts = Counter((one.kind, one.contrast) for one in curves)
    assert set(counts.values()) == {200}
    cells = Counter(one.cell for one in curves if one.kind == "pit")
    assert max(cells.values()) - min(cells.values()) <= 2
    for kind in KINDS:
        low, high = design.sizes[kind]
        share = np.sort([np.log(one.size / low) / np.log(high / low) for one in curves if one.kind == kind])
        assert np.abs(share - np.linspace(0, 1, len(share))).max() < 0.03
    parts = Counter(one.part for one in curves)
    assert max(parts.values()) <= 1.4 * min(parts.values())


def test_places_are_on_the_part() -> None:
    design = Design(
        0, ("pit",), (0.2,), {"pit": (3.0, 20.0)}, (), 1, choose_grid(120, 100), tuple("abcdef")
    )  # fmt: skip
    y, x = np.mgrid[:140, :120]
    part = Part.of((y - 70) ** 2 / 60**2 + (x - 60) ** 2 / 50**2 < 1)
    cells = set()
    for number in range(300):
        order = design.order(number)
        defect = design.defect(order, part)
        row, column = map(int, defect.centre)
        assert part.mask[row, column]
        cells.add(order.cell)
    assert len(cells) == design.grid[0] * design.grid[1]


def test_refused_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (
        {"contrasts": (0.0,)},
        {"drawings": 0},
        {"sizes": (5.0, 3.0)},
        {"mm_per_pixel": 0.0},
        {"minutes": 0.0},
        {"drawings": -1},
    ):
        with pytest.raises(SettingsError):
            StudySettings(**wrong)
    words = ["capability", str(tmp_path), str(tmp_path), "--out", str(tmp_path / "out")]
    assert command_line([*words, "--requirement", "wobble 3 px"]) == 2
    assert "is not understood" in capsys.readouterr().err
    assert command_line([*words, "--real-kinds", "dent"]) == 2
    assert "LABEL=KIND" in capsys.readouterr().err
    assert command_line([*words, "--contrasts", "much"]) == 2
    assert "0.2 or 20%" in capsys.readouterr().err
