"""Inspecting files: what is kept of each, and that nothing is lost."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.errors import DatasetError, SettingsError
from excision.inspection.batch import find_images, inspect_images
from excision.inspection.log import InspectionRecord
from excision.inspection.tally import InspectionSummary
from excision.ops.boxes import scale_box
from excision.predictions import Prediction
from excision.report.writing import inspect_and_report
from tests.evaluation.fakes import FakePredictor, save


def surface(seed: int, size: tuple[int, int] = (320, 240)) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 110, size, dtype=np.uint8)


def stained(seed: int) -> np.ndarray:
    """A surface with a bright spot: x 60 to 100, y 200 to 250."""
    pixels = surface(seed)
    pixels[200:250, 60:100] = 255
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good parts and two stained ones, of which two share a name, and a damaged file."""
    root = tmp_path / "new"
    save(root / "a" / "1.png", surface(1))
    save(root / "a" / "2.png", stained(2))
    save(root / "b" / "1.png", stained(3))
    save(root / "b" / "2.png", surface(4))
    (root / "b" / "broken.png").write_bytes(b"no image")
    return root


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text("utf-8").splitlines()]


def test_a_line_says_all_of_an_image(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = inspect_images(FakePredictor(), find_images([folder]), out)
    assert summary == InspectionSummary(n_good=2, n_defect=2, n_failed=1)
    found = {os.path.relpath(line["image"], folder): line for line in lines(out)}
    assert list(found) == ["a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/broken.png"]
    good, defect, broken = found["a/1.png"], found["a/2.png"], found["b/broken.png"]
    assert (good["verdict"], good["boxes"], good["defect_area_share"]) == ("good", [], 0)
    assert good["score"] <= good["threshold"] == 0.25
    assert defect["verdict"] == "defect"
    assert defect["score"] > 0.25
    # The working image is ten times smaller, so that the spot covers 4 x 5 of its 24 x 32 pixels.
    assert defect["boxes"] == [[60, 200, 40, 50]]
    assert defect["defect_area_share"] == pytest.approx(20 / (24 * 32))
    assert (broken["verdict"], broken["score"], broken["overlay"]) == (None, None, None)
    assert "broken.png" in broken["error"]
    assert all(line["seconds"] >= 0 for line in found.values())


def test_csv_and_json_say_the_same(folder: Path, tmp_path: Path) -> None:
    inspect_images(FakePredictor(), find_images([folder]), tmp_path / "out")
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5
    for row, line in zip(rows, lines(tmp_path / "out"), strict=True):
        assert json.loads(row.pop("boxes")) == line.pop("boxes")
        assert row.pop("unfit") == "; ".join(line.pop("unfit"))
        assert row == {name: "" if value is None else str(value) for name, value in line.items()}


def test_overlays_of_the_same_name_do_not_collide(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    inspect_images(FakePredictor(), find_images([folder]), out)
    named = [line["overlay"] for line in lines(out) if line["overlay"]]
    assert len(set(named)) == 4
    assert sorted(named) == sorted(f"overlays/{path.name}" for path in (out / "overlays").iterdir())


class Stopping(FakePredictor):
    """Ctrl-C while the third image is inspected."""

    def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
        if len(self.seen) == 2:
            raise KeyboardInterrupt
        yield from super().predict(images)


def test_stopped_inspection_keeps_its_lines_and_goes_on(folder: Path, tmp_path: Path) -> None:
    images, out = find_images([folder]), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        inspect_images(Stopping(), images, out)
    assert len(lines(out)) == 2
    assert len((out / "results.csv").read_text("utf-8").splitlines()) == 3
    # A kill in the middle of a line: half of it is on disk.
    for name in ("results.jsonl", "results.csv"):
        content = (out / name).read_bytes()
        (out / name).write_bytes(content[:-25])
    resumed = FakePredictor()
    summary = inspect_images(resumed, images, out, resume=True)
    assert summary == InspectionSummary(n_good=2, n_defect=2, n_failed=1)
    assert images[0] not in resumed.seen[:4]

    inspect_images(FakePredictor(), images, tmp_path / "whole")
    for line, other in zip(lines(out), lines(tmp_path / "whole"), strict=True):
        assert {**line, "seconds": 0} == {**other, "seconds": 0}
    with (out / "results.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["image"] for row in csv.DictReader(stream)] == [line["image"] for line in lines(out)]


def test_several_workers_write_what_one_writes(tmp_path: Path) -> None:
    """Also the order of the rows: the large images take longer than those behind them."""
    for number in range(24):
        size = (640, 480) if number % 5 == 0 else (64, 48)
        save(tmp_path / "new" / f"{number:02}.png", surface(number, size))
    (tmp_path / "new" / "07.png").write_bytes(b"no image")
    images, progress = find_images([tmp_path / "new"]), []
    one = inspect_images(FakePredictor(), images, tmp_path / "1")
    several = inspect_images(
        FakePredictor(), images, tmp_path / "4", workers=4, progress=lambda *call: progress.append(call)
    )
    assert several == one
    assert several.strongest == one.strongest
    assert progress == [(done, 24) for done in range(1, 25)]
    for line, other in zip(lines(tmp_path / "1"), lines(tmp_path / "4"), strict=True):
        assert {**line, "seconds": 0} == {**other, "seconds": 0}
    for overlay in (tmp_path / "1" / "overlays").iterdir():
        assert overlay.read_bytes() == (tmp_path / "4" / "overlays" / overlay.name).read_bytes()


class Interrupted(FakePredictor):
    """Ctrl-C of the user while the fourth image is inspected."""

    def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
        if len(self.seen) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        yield from super().predict(images)


def test_ctrl_c_keeps_what_was_begun_and_the_rest_is_inspected_later(tmp_path: Path) -> None:
    for number in range(40):
        save(tmp_path / "new" / f"{number:02}.png", surface(number, (64, 48)))
    images, out, interrupted = find_images([tmp_path / "new"]), tmp_path / "out", Interrupted()
    with pytest.raises(KeyboardInterrupt):
        inspect_images(interrupted, images, out, workers=2)
    begun = [line["image"] for line in lines(out)]
    assert begun == [str(path) for path in images[: len(begun)]]
    assert sorted(map(str, interrupted.seen)) == begun
    assert 4 <= len(begun) < 20
    resumed = FakePredictor()
    inspect_images(resumed, images, out, resume=True, workers=2)
    assert not set(map(str, resumed.seen)) & set(begun)
    assert [line["image"] for line in lines(out)] == list(map(str, images))


def test_what_failed_is_tried_again(folder: Path, tmp_path: Path) -> None:
    images, out = find_images([folder]), tmp_path / "out"
    inspect_images(FakePredictor(), images, out)
    save(folder / "b" / "broken.png", surface(9))
    summary = inspect_images(FakePredictor(), images, out, resume=True)
    assert summary == InspectionSummary(n_good=3, n_defect=2, n_failed=0)
    assert len(lines(out)) == 5


def test_results_are_neither_overwritten_nor_mixed(folder: Path, tmp_path: Path) -> None:
    images, out = find_images([folder]), tmp_path / "out"
    inspect_images(FakePredictor(), images, out)
    before = (out / "results.jsonl").read_bytes()
    with pytest.raises(SettingsError, match="--resume"):
        inspect_images(FakePredictor(), images, out)
    with pytest.raises(SettingsError, match="another model"):
        inspect_images(FakePredictor(threshold=0.3), images, out, resume=True)
    assert (out / "results.jsonl").read_bytes() == before


def test_report_shows_a_bounded_number(tmp_path: Path) -> None:
    for number in range(40):
        save(tmp_path / "new" / f"{number}.png", surface(number, (32, 24)))
    predictor = FakePredictor()
    calls: list[tuple[int, int]] = []
    images = find_images([tmp_path / "new"])
    inspect_and_report(predictor, images, tmp_path / "out", progress=lambda *call: calls.append(call))
    assert calls == [(done, 40) for done in range(1, 41)]
    assert 0 < len(predictor.seen) - 40 <= 24
    assert (tmp_path / "out" / "report.html").stat().st_size < 5e6


class Endless(FakePredictor):
    """A network that overflowed."""

    def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
        for prediction in super().predict(images):
            yield dataclasses.replace(prediction, score=float("nan"))


def test_score_that_is_no_number_is_a_failure(tmp_path: Path) -> None:
    image = save(tmp_path / "1.png", surface(1))
    assert inspect_images(Endless(), [image], tmp_path / "out").n_failed == 1
    assert lines(tmp_path / "out")[0]["score"] is None


def test_name_that_is_no_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/part_\xff.png"))
    try:
        path.touch()
    except OSError:
        pytest.skip("this file system takes only names that are text")
    save(tmp_path / "1.png", stained(1)).replace(path)
    out = tmp_path / "out"
    assert inspect_images(FakePredictor(), [path], out).n_defect == 1
    assert lines(out)[0]["image"] == str(path)
    assert inspect_images(FakePredictor(), [path], out, resume=True).n_defect == 1
    assert len(lines(out)) == 1


def test_search_for_images(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", "sub/c.jpg", "out/overlay.png", "notes.txt", ".hidden.png", "scan"):
        save(tmp_path / "x.png", surface(1, (8, 8)))
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / "x.png").replace(tmp_path / name)
    (tmp_path / "sub" / "loop").symlink_to(tmp_path, target_is_directory=True)
    found = find_images([tmp_path], leave_out=tmp_path / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.PNG", "b.png", "sub/c.jpg"]
    named = [tmp_path / "scan", tmp_path / ".hidden.png", tmp_path / "gone.png"]
    assert find_images([*named, named[0]]) == named
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DatasetError, match="no image in"):
        find_images([tmp_path / "nothing"])


@pytest.mark.parametrize(
    ("counts", "status"), [((3, 0, 0), 0), ((3, 1, 0), 1), ((3, 1, 1), 2), ((0, 0, 1), 2), ((0, 0, 0), 0)]
)
def test_exit_status(counts: tuple[int, int, int], status: int) -> None:
    assert InspectionSummary(*counts).exit_status == status


@given(
    data=st.data(), working=st.tuples(*[st.integers(1, 64)] * 2), size=st.tuples(*[st.integers(1, 999)] * 2)
)
def test_enlarged_box_covers_its_region_and_stays_inside(
    data: st.DataObject, working: tuple[int, int], size: tuple[int, int]
) -> None:
    x, y = data.draw(st.integers(0, working[1] - 1)), data.draw(st.integers(0, working[0] - 1))
    width, height = data.draw(st.integers(1, working[1] - x)), data.draw(st.integers(1, working[0] - y))
    left, top, wide, high = scale_box((x, y, width, height), working, size)
    assert wide >= 1
    assert high >= 1
    assert 0 <= left <= x * size[1] / working[1] + 1e-9
    assert 0 <= top <= y * size[0] / working[0] + 1e-9
    assert (x + width) * size[1] / working[1] - 1e-9 <= left + wide <= size[1]
    assert (y + height) * size[0] / working[0] - 1e-9 <= top + high <= size[0]


def test_line_has_the_promised_fields() -> None:
    fields = [field.name for field in dataclasses.fields(InspectionRecord)]
    assert fields == [
        "image", "score", "threshold", "verdict", "defect_area_share", "boxes", "seconds", "overlay", "error",
        "p_value", "unfit", "image_statistics",
    ]  # fmt: skip


def test_an_error_that_nobody_expected_fails_one_image(folder: Path, tmp_path: Path) -> None:
    class Surprised(FakePredictor):
        def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
            for path in images:
                if path.name == "2.png":
                    raise RecursionError("too deep")
                yield from super().predict([path])

    out = tmp_path / "out"
    summary = inspect_images(Surprised(), find_images([folder]), out)
    assert (summary.n_good, summary.n_defect, summary.n_failed) == (1, 1, 3)
    errors = {Path(line["image"]).name: line["error"] for line in lines(out) if line["error"]}
    assert errors["2.png"].endswith("2.png: an unexpected error of the program (RecursionError: too deep)")


def test_an_unfit_image_is_never_good(folder: Path, tmp_path: Path) -> None:
    predictor, out = FakePredictor(), tmp_path / "out"
    predictor.unfit = {"1.png": ("out of focus", "3 times darker than any training image")}
    images = [path for path in find_images([folder]) if path.name != "broken.png"]
    summary = inspect_images(predictor, images, out)
    assert summary == InspectionSummary(n_good=1, n_defect=1, n_failed=0, n_unfit=2)
    assert summary.exit_status == 1
    assert InspectionSummary(1, 0, 0, n_unfit=1).exit_status == 1
    found = [line for line in lines(out) if line["verdict"] == "unfit"]
    assert [line["unfit"] for line in found] == [list(predictor.unfit["1.png"])] * 2
    assert all(line["score"] is not None and line["error"] is None for line in found)
    # They are shown, after the defects and before the good ones.
    assert [Path(name).name for name in summary.strongest] == ["2.png", "1.png", "1.png", "2.png"]


def test_results_of_an_earlier_version_are_continued(folder: Path, tmp_path: Path) -> None:
    images, out = find_images([folder]), tmp_path / "out"
    inspect_images(FakePredictor(), images[:2], out)
    old = [{k: v for k, v in line.items() if k not in ("p_value", "unfit")} for line in lines(out)]
    text = "".join(json.dumps(line) + "\n" for line in old)
    odd = json.dumps({**old[0], "image": str(images[2]), "verdict": "of a later version"}) + "\n"
    (out / "results.jsonl").write_text(text + odd, "utf-8")
    predictor = FakePredictor()
    inspect_images(predictor, images, out, resume=True)
    assert not set(images[:2]) & set(predictor.seen) and images[2] in predictor.seen
    assert all((line["p_value"], line["unfit"]) == (None, []) for line in lines(out)[:2])
    with (out / "results.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["unfit"] for row in csv.DictReader(stream)] == [""] * 5


def test_masks_among_the_images_are_noted(folder: Path) -> None:
    save(folder / "masks" / "1.png", surface(1))
    save(folder / "a" / "2_mask.png", surface(1))
    notes: list[str] = []
    assert len(find_images([folder], notes=notes)) == 7
    assert len(notes) == 1
    assert notes[0].startswith("2 files called masks are inspected as images, too, such as ")


def test_an_image_counts_once_however_its_path_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("s")
    save(folder / "a.png", surface(0))
    (folder / "b.png").symlink_to("a.png")  # a name of its own
    Path("link").symlink_to("s")
    other = Path("s/../s")
    assert find_images([other, folder, tmp_path / "s", folder / "a.png"]) == [
        other / "a.png",
        other / "b.png",
    ]
    assert find_images([folder, Path("link/a.png")]) == [
        folder / "a.png",
        folder / "b.png",
        Path("link/a.png"),
    ]
