"""Drift over the images of an inspection: `drift.json`, and what the report says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from excision.data.groups.find import named_groups
from excision.errors import ResultsError
from excision.inspection.drift.inspected import DRIFT
from excision.inspection.drift.order import order_of
from excision.inspection.drift.reference import reference_of, settings_for
from excision.inspection.drift.settings import DriftSettings
from excision.inspection.drift.warning import DriftWarning
from excision.inspection.drift.wording import measure_of
from excision.inspection.log import read_log
from excision.inspection.tally import InspectionSummary
from excision.method.calibration import calibrate
from excision.method.fitness.image_statistics import COLOUR_NAMES, GREY_NAMES
from excision.method.fitness.norm import NORM_NAMES
from excision.predictions import Prediction
from excision.report.report import write_report
from excision.report.writing import inspect_and_report
from tests.evaluation.fakes import FakePredictor, save


class Measuring(FakePredictor):
    """Gives the brightness and an infinite statistic with each image."""

    def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
        for found in super().predict(images):
            statistics = {"brightness": float(np.median(found.image)), "odd": float("inf")}
            yield replace(found, image_statistics=statistics)


def inspected(tmp_path: Path, creep: float, resume: bool = False) -> tuple[Path, InspectionSummary]:
    """Inspect 240 images with noise; their light creeps by so much an image over the second half."""
    random = np.random.default_rng(0)
    predictor = Measuring(size=(16, 16))
    predictor.calibration = calibrate(random.normal(0.06, 0.003, 60).tolist(), 0.05)
    images = []
    for number in range(240):
        light = random.normal(100, 2) + creep * max(0, number - 120)
        pixels = np.clip(random.normal(light, 5, (16, 16)), 0, 255).astype(np.uint8)
        images.append(save(tmp_path / "images" / f"{number:03}.png", pixels))
    out = tmp_path / "out"
    if resume:
        inspect_and_report(predictor, images[:150], out)
    return out, inspect_and_report(predictor, images, out, resume=resume)


def test_light_that_creeps_is_drift(tmp_path: Path) -> None:
    out, summary = inspected(tmp_path, creep=0.3)
    drift = json.loads((out / DRIFT).read_text("utf-8"))
    assert summary.drift is not None
    assert summary.drift.to_dict() == drift["warning"]
    assert (summary.drift.statistic, summary.drift.direction) == ("brightness", "higher")
    assert 110 <= summary.drift.since <= 190
    assert summary.drift.since_label.endswith(".png")
    assert [found["name"] for found in drift["statistics"]] == ["score", "brightness"]
    assert all(line.image_statistics is not None for line in read_log(out))
    page = (out / "report.html").read_text("utf-8")
    assert "brightness has been higher since about part" in page
    assert "Brightness over image number" in page
    assert "Brightness, % of white" in page
    assert "within the first 1,000 parts its probability is at most 1 %" in page


def test_images_that_are_alike_are_no_drift_and_resuming_changes_nothing(tmp_path: Path) -> None:
    out, summary = inspected(tmp_path / "a", creep=0)
    again, _ = inspected(tmp_path / "b", creep=0, resume=True)
    assert summary.drift is None
    first, second = ((folder / DRIFT).read_text("utf-8") for folder in (out, again))
    assert first == second.replace(str(tmp_path / "b"), str(tmp_path / "a"))
    assert "no drift noticed in 240 parts" in (out / "report.html").read_text("utf-8")


def test_a_damaged_drift_file_is_named(tmp_path: Path) -> None:
    out, _ = inspected(tmp_path, creep=0)
    content = json.loads((out / DRIFT).read_text("utf-8"))
    for damaged in (
        "{",
        json.dumps({**content, "parts": "many"}),
        json.dumps({**content, "statistics": [{**content["statistics"][0], "usual": [1]}]}),
        json.dumps({**content, "warning": {"since": None}}),
        json.dumps({**content, "statistics": None}),
        json.dumps([]),
    ):
        (out / DRIFT).write_text(damaged, "utf-8")
        with pytest.raises(ResultsError, match=r"drift\.json.*inspect again"):
            write_report(out)
    # Results of earlier versions have no such file.
    (out / DRIFT).unlink()
    write_report(out)
    assert "over image number" not in (out / "report.html").read_text("utf-8")


def test_the_reference_has_one_value_for_each_group() -> None:
    predictor = FakePredictor()
    assert reference_of(predictor, 1.0) == {}
    predictor.calibration = calibrate(
        [1, 2, 3, 10, 11, 12, 90], 0.5, groups=["a", "a", "a", "b", "b", "b", "c"]
    )
    # What is above the threshold is left out, as flagged parts are, and group c with it.
    assert reference_of(predictor, 11.5) == {"score": [2, 10.5]}
    vars(predictor)["fitness"] = SimpleNamespace(reference={"brightness": (0.5, 0.25)})
    assert reference_of(predictor, 11.5) == {"score": [2, 10.5], "brightness": [0.5, 0.25]}


def test_lots_are_expected_where_good_images_came_in_groups_as_long_as_a_block() -> None:
    predictor = FakePredictor()
    settings = DriftSettings()
    assert not settings_for(predictor, settings).lots
    for size, groups, expected in ((19, 10, False), (20, 10, True), (40, 5, True), (40, 4, False)):
        names = [f"lot {number // size}" for number in range(size * groups)]
        predictor.calibration = calibrate([1.0] * len(names), 0.5, groups=names)
        assert settings_for(predictor, settings).lots is expected
        assert settings_for(predictor, DriftSettings(block=50)).lots is False
    # All good images count, where fitness was learnt from them.
    vars(predictor)["fitness"] = SimpleNamespace(
        reference={}, calibration=calibrate([1.0] * 300, 0.5, groups=[str(n // 30) for n in range(300)])
    )
    assert settings_for(predictor, settings).lots


def test_images_that_tell_their_time_are_taken_in_its_order_in_whole_bursts() -> None:
    images = [f"/d/pos{place}/20260301_{hour:02}00{place:02}.png" for place in range(3) for hour in range(8)]
    order = order_of(images)
    assert order.is_time
    assert order.basis == "the time in the names"
    assert [images[place][-10:-4] for place in order.places] == sorted(image[-10:-4] for image in images)
    assert list(order.groups) == [hour for hour in range(8) for _ in range(3)]


def test_a_date_above_all_images_is_no_time() -> None:
    images = [f"/d/20260301_120000/{number}.png" for number in range(5)]
    order = order_of(images)
    assert (list(order.places), order.is_time) == ([0, 1, 2, 3, 4], False)
    assert order_of([]).is_time is False


def test_sorting_is_drift_only_where_no_time_is_known(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    predictor = Measuring(size=(16, 16))
    predictor.calibration = calibrate(random.normal(0.06, 0.003, 60).tolist(), 0.05)

    def images(folder: str, name: str) -> list[Path]:
        """Save 10 positions of growing brightness at 24 times, sorted by position."""
        return [
            save(
                tmp_path / folder / name.format(place=place, hour=hour),
                np.clip(random.normal(80 + 5 * place, 5, (16, 16)), 0, 255).astype(np.uint8),
            )
            for place in range(10)
            for hour in range(24)
        ]

    timed = inspect_and_report(
        predictor, images("a", "p{place}_20260301_{hour:02}00{place:02}.png"), tmp_path / "1"
    )
    assert timed.drift is None
    assert timed.drift_words.startswith("in the order of the time in the names, no drift")
    blind = inspect_and_report(predictor, images("b", "p{place}_{hour:02}.png"), tmp_path / "2")
    assert blind.drift is not None
    assert "this shows the sorting, and no drift" in blind.drift_words
    page = (tmp_path / "2" / "report.html").read_text("utf-8")
    assert "neither names nor EXIF tell when the images were taken" in page


def test_tiles_of_one_strip_are_one_unit(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    predictor = Measuring(size=(16, 16))
    levels = random.normal(100, 8, 30)
    images = [
        save(
            tmp_path / f"strip{strip:02}_tile{tile}.png",
            np.clip(random.normal(levels[strip], 3, (16, 16)), 0, 255).astype(np.uint8),
        )
        for tile in range(9)
        for strip in range(30)
    ]
    summary = inspect_and_report(predictor, images, tmp_path / "out")
    assert "30 groups of images that share the name" in summary.drift_words
    drift = json.loads((tmp_path / "out" / DRIFT).read_text("utf-8"))
    assert set(np.diff(drift["statistics"][0]["parts"])) == {9}
    assert drift["warning"] is None
    # A line that creeps is not taken for one group.
    values = np.linspace(0, 1, 200)[:, np.newaxis] + random.normal(0, 0.05, (200, 1))
    assert named_groups([f"part{number:03}.png" for number in range(200)], values) is None
    # Names of known data sets state the part.
    paths = [f"/d/kos{part:02}/Part{number}.jpg" for part in range(25) for number in range(4)]
    assert list(order_of(paths, lambda: random.normal(size=(100, 1))).groups) == [n // 4 for n in range(100)]


@pytest.mark.parametrize(
    ("statistic", "before", "now", "words"),
    [
        ("brightness", 50.0, 44.0, "12 % lower than before"),
        ("noise", 0.1, 0.4, "4 times as high as before"),
        ("clipped_bright", 0.0, 3.14, "3.14 % of the image, compared with 0 % before"),
        ("right", 0.5, -1.0, "-1 % of the width, compared with 0.5 % before"),
        ("sharpness", 0.8, 0.8, "as before"),
        ("score", 1.0, 2.0, "2 times as high as before"),
        ("score", 1.0, None, "unknown, because most parts are flagged; it was 1 before"),
        ("unheard_of", 1.0, 2.0, "2, compared with 1 before"),
    ],
)
def test_a_change_is_said_in_plain_units(
    statistic: str, before: float, now: float | None, words: str
) -> None:
    warning = DriftWarning(200, statistic, "lower", 90, "", before, now, 2e5)
    assert warning.words.endswith(f"has been lower since about part 90: its median is {words}")


def test_every_statistic_of_an_image_has_words_and_a_unit_that_keeps_the_order() -> None:
    names = (*GREY_NAMES, *COLOUR_NAMES, *NORM_NAMES)
    assert len({measure_of(name).words for name in names}) == len(names)
    document = (Path(__file__).parents[2] / "docs" / "station" / "drift.md").read_text("utf-8")
    for name in (*names, "score"):
        assert f"| `{name}` | {measure_of(name).words} | {measure_of(name).unit or 'none'} |" in document
    for name in (*names, "score", "unheard_of"):
        measure = measure_of(name)
        assert "_" not in measure.words
        plain = [measure.plain(value) for value in np.linspace(-12, 12, 50).tolist()]
        assert plain == sorted(plain)
    assert measure_of("brightness").plain(float(np.log2(0.5 + 0.02))) == pytest.approx(50)
    assert measure_of("clipped_bright").plain(0.1) == pytest.approx(1)
    # Whatever another predictor measures under a known name is shown, and stops nothing.
    assert measure_of("brightness").plain(5000.0) == 5000.0
