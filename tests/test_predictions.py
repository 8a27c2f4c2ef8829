"""What can be asked of one prediction: boxes, area, and the prediction as text, JSON, file, plot and HTML."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from excision import Detector, Inspector, Prediction, load
from excision.errors import SettingsError
from excision.inspection.batch import inspect_file
from excision.predictions import Detection
from excision.runtime.defect_criteria import DefectCriteria
from excision.visualization.overlays import draw_overlay
from tests.browser import opened
from tests.compatibility.test_format_1 import HERE
from tests.evaluation.fakes import FakePredictor, save

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def prediction(**changes: Any) -> Prediction:
    """An image of 80 x 60, inspected at 40 x 30: two regions above the threshold and one below."""
    anomaly_map = np.zeros((40, 30), np.float32)
    anomaly_map[5:8, 10:14] = 2.0
    anomaly_map[20:22, 3:5] = 3.5
    anomaly_map[35, 25] = 0.7
    image = np.full((40, 30, 1), 0.5, np.float32)
    plain = Prediction(
        score=3.5,
        threshold=1.0,
        anomaly_map=anomaly_map,
        image=image,
        seconds=0.0123,
        attention=anomaly_map,
        mask=anomaly_map > 0,
        masked_image=image,
        recovery=image,
        source="parts/a.png",
        size=(80, 60),
    )
    return replace(plain, **changes)


def test_boxes_are_in_pixels_of_the_image_as_given_strongest_first() -> None:
    assert prediction().boxes == ((6, 40, 4, 4), (20, 10, 8, 6))
    assert prediction(size=None).boxes == ((3, 20, 2, 2), (10, 5, 4, 3))
    assert prediction().shown_boxes == ((3, 20, 2, 2), (10, 5, 4, 3))
    # What a person has to look at is boxed as well.
    assert prediction(review_threshold=0.5).boxes == ((6, 40, 4, 4), (20, 10, 8, 6), (50, 70, 2, 2))
    assert prediction(threshold=9.0).boxes == ()


def test_boxes_cover_the_regions_at_odd_sizes() -> None:
    rng = np.random.default_rng(0)
    for size in ((80, 60), (41, 97), (13, 11), (400, 30)):
        anomaly_map = (rng.random((40, 30)) > 0.97).astype(np.float32) * 2
        covered = np.zeros(size, bool)
        for x, y, width, height in prediction(anomaly_map=anomaly_map, size=size).boxes:
            assert x >= 0 and y >= 0 and width > 0 and height > 0
            assert x + width <= size[1] and y + height <= size[0]
            covered[y : y + height, x : x + width] = True
        rows = ((np.arange(size[0]) + 0.5) * 40 / size[0]).astype(int)
        columns = ((np.arange(size[1]) + 0.5) * 30 / size[1]).astype(int)
        assert covered[anomaly_map[rows][:, columns] > 1].all()


def test_defect_area_share_counts_the_pixels() -> None:
    assert prediction().defect_area_share == 16 / 1200
    assert prediction(review_threshold=0.5).defect_area_share == 17 / 1200
    assert prediction(threshold=9.0).defect_area_share == 0


def test_a_prediction_says_what_the_command_line_writes(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = save(tmp_path / "a.png", (rng.random((90, 70)) * 255).astype(np.uint8))
    predictor = FakePredictor(0.6, (45, 50)).with_thresholds(0.6, 0.3)
    record = inspect_file(predictor, path, tmp_path / "out")
    (found,) = predictor.predict([path])
    found = replace(found, size=(90, 70), source=str(path))
    assert len(record.boxes) > 1
    assert found.boxes == record.boxes
    assert found.defect_area_share == record.defect_area_share
    written = found.to_dict()
    assert written["source"] == record.image
    for name in ("score", "threshold", "verdict", "defect_area_share"):
        assert written[name] == getattr(record, name)


@pytest.mark.parametrize("folder", ["run", "exported"])
def test_real_predictions(folder: str) -> None:
    with Image.open(HERE / "0.png") as image:
        width, height = image.size
    (found,) = load(HERE / folder).predict(HERE / "0.png")
    assert found.size == (height, width)
    assert found.source == str(HERE / "0.png")
    found = replace(found, threshold=float(np.median(found.anomaly_map)))
    assert found.boxes
    assert all(x + w <= width and y + h <= height for x, y, w, h in found.boxes)
    json.dumps(found.to_dict(), allow_nan=False)
    assert len(repr(found)) < 200


def test_to_dict_is_ready_for_json() -> None:
    assert json.loads(json.dumps(prediction().to_dict(), allow_nan=False)) == {
        "source": "parts/a.png",
        "score": 3.5,
        "threshold": 1.0,
        "review_threshold": None,
        "p_value": None,
        "verdict": "defect",
        "unfit": [],
        "boxes": [[6, 40, 4, 4], [20, 10, 8, 6]],
        "defect_area_share": 16 / 1200,
        "seconds": 0.0123,
    }
    odd = prediction(
        score=np.float32(3.5),
        threshold=float("inf"),
        seconds=np.float64(1),
        source=None,
        review_threshold=0.5,
    ).to_dict()
    json.dumps(odd, allow_nan=False)
    assert (odd["score"], odd["threshold"], odd["source"], odd["review_threshold"]) == (3.5, None, None, 0.5)
    json.dumps(prediction(source="caf\udce9.png").to_dict())


def test_repr_is_one_short_line() -> None:
    expected = "Prediction(source='parts/a.png', score=3.5, threshold=1, verdict='defect')"
    assert repr(prediction()) == str(prediction()) == expected
    assert repr(prediction(source=None, score=1.23456, threshold=2, review_threshold=0.98)) == (
        "Prediction(source=None, score=1.235, threshold=2, review_threshold=0.98, verdict='review')"
    )
    plane = np.zeros((8, 8), np.float32)
    detection = Detection(0.0, 1.0, plane, plane[..., None], 0.0)
    assert repr(detection) == "Detection(source=None, score=0, threshold=1, verdict='good')"


def test_predictions_stay_frozen_and_small() -> None:
    with pytest.raises(FrozenInstanceError):
        prediction().score = 1.0  # type: ignore[misc]
    assert not hasattr(prediction(), "__dict__")


def test_predictions_are_compared_by_identity() -> None:
    one, twin = prediction(), prediction()
    same = one
    assert one == same and one != twin and one.to_dict() == twin.to_dict()
    assert one in [twin, one] and one not in [twin]
    assert len({one, twin, one}) == 2
    plain = Detection(1.0, 2.0, one.anomaly_map, one.image, 0.1)
    assert plain != one and len({plain, one, plain}) == 2


def pixels(path: Path | io.BytesIO) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("ending", [".png", ".PNG", ".jpg", ".jpeg", ".webp"])
def test_saving_a_picture(ending: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / f"a{ending}"
    prediction().save(str(path))
    expected = draw_overlay(prediction(), prediction().shown_boxes)
    assert (expected != draw_overlay(prediction())).any()
    found = pixels(path)
    if ending.lower() == ".png":
        np.testing.assert_array_equal(found, expected)
    else:
        assert found.shape == expected.shape
        assert np.abs(found.astype(float) - expected).mean() < 30
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_saving_the_anomaly_map_and_the_arrays(tmp_path: Path) -> None:
    prediction().save(tmp_path / "a.tiff")
    stored = tifffile.imread(tmp_path / "a.tiff")
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, prediction().anomaly_map)
    prediction().save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        names = {field.name for field in fields(Prediction)}
        unknown = {"review_threshold", "p_value", "image_statistics"}
        assert set(arrays) == names - unknown
        for name in set(arrays) - {"unfit"}:
            np.testing.assert_array_equal(arrays[name], getattr(prediction(), name))


def test_what_an_unfit_image_says() -> None:
    reasons = ("3 times darker than any training image", "out of focus")
    for score in (0.0, 0.9, 3.5):
        found = prediction(score=score, review_threshold=0.5, unfit=reasons, p_value=0.25)
        assert found.verdict == "unfit"
        assert (
            found.to_dict() | {"verdict": "unfit", "unfit": list(reasons), "p_value": 0.25} == found.to_dict()
        )
        json.dumps(found.to_dict(), allow_nan=False)


def test_an_unfit_image_shows_its_reasons(tmp_path: Path) -> None:
    found = prediction(unfit=("3 times <darker>", "out of focus"), p_value=1 / 81)
    page = Elements(found._repr_html_())
    assert "unfit: score 3.5, threshold 1, p-value 0.0123; 3 times <darker>; out of focus" in page.text
    assert found.plot(Figure().add_subplot()).get_title().startswith("unfit: score 3.5")
    for ending in (".png", ".webp"):
        found.save(tmp_path / f"a{ending}")
        height, width = pixels(tmp_path / f"a{ending}").shape[:2]
        assert height > 40 and width >= 240


def test_arrays_of_an_unfit_image_need_no_pickle(tmp_path: Path) -> None:
    found = prediction(unfit=("dark",), p_value=0.125, image_statistics={"brightness": 0.5, "noise": 2.0})
    found.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert arrays["unfit"].tolist() == ["dark"]
        assert arrays["p_value"] == 0.125
        assert (arrays["image_statistics.brightness"], arrays["image_statistics.noise"]) == (0.5, 2.0)


@pytest.mark.parametrize("folder", ["run", "exported"])
def test_the_p_value_is_that_of_the_score_that_is_judged(folder: str) -> None:
    model = load(HERE / folder)
    scores = model.calibration.scores
    found = model.inspect(HERE / "0.png")
    expected = (1 + sum(known >= found.score for known in scores)) / (1 + len(scores))
    assert found.p_value == pytest.approx(expected)
    # Another threshold changes the verdict, not what good parts score.
    assert model.with_thresholds(found.score / 2).inspect(HERE / "0.png").p_value == found.p_value


def test_a_region_of_interest_changes_the_p_value_with_the_score() -> None:
    model = load(HERE / "exported")
    assert isinstance(model, Inspector)
    assert model.region_size is not None
    region = np.zeros(model.region_size, np.bool_)
    region[:2, :2] = True
    criteria = DefectCriteria(region, 1)
    # The scores that calibrate are of the whole image, so they say nothing of a part of it ...
    assert model.inspect_working(model.working(HERE / "0.png"), criteria).p_value is None
    # ... unless the folder is calibrated for it.
    model.criteria = criteria
    found, scores = model.inspect(HERE / "0.png"), model.calibration.scores
    expected = (1 + sum(known >= found.score for known in scores)) / (1 + len(scores))
    assert found.p_value == pytest.approx(expected)


def test_other_inference_has_no_p_value() -> None:
    model = load(HERE / "run")
    assert isinstance(model, Detector)
    assert model.with_inference().inspect(HERE / "0.png").p_value is not None
    assert model.with_inference(mask=False).inspect(HERE / "0.png").p_value is None


def test_a_prediction_that_cannot_be_saved(tmp_path: Path) -> None:
    for name in ("a.bmp", "a", "a.json"):
        with pytest.raises(SettingsError, match=rf"{name}: a prediction is saved as a picture \(\.png"):
            prediction().save(tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"file/a\.png: cannot be written \("):
        prediction().save(tmp_path / "file" / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_stop_while_saving_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        prediction().save(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_plot_is_in_pixels_of_the_image() -> None:
    axes = Figure().add_subplot()
    assert prediction().plot(axes) is axes
    (shown,) = axes.images
    np.testing.assert_array_equal(shown.get_array(), draw_overlay(prediction()))
    assert tuple(shown.get_extent()) == (0, 60, 80, 0)
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(frames) == len(axes.patches)
    drawn = [(*frame.get_xy(), frame.get_width(), frame.get_height()) for frame in frames]
    assert drawn == list(prediction().boxes)
    assert axes.get_title() == "defect: score 3.5, threshold 1"


def test_a_plot_makes_its_own_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    from matplotlib import pyplot

    axes = prediction().plot()
    assert isinstance(axes.figure, Figure)
    axes.figure.savefig(tmp_path / "plot.png")
    pyplot.close(axes.figure)
    assert len(np.unique(pixels(tmp_path / "plot.png"))) > 10


def test_a_plot_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("excision.visualization.showing.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r'matplotlib; install it with: pip install "excision\[train\]"'):
        prediction().plot()


class Elements(HTMLParser):
    """Every element of a piece of HTML, and its text; its tags must close in order."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_notebook_shows_image_overlay_and_verdict() -> None:
    shown = Elements(prediction(review_threshold=0.5)._repr_html_())
    assert "defect: score 3.5, threshold 1, review from 0.5 parts/a.png" in shown.text
    images = [attributes for tag, attributes in shown.tags if tag == "img"]
    assert len(images) == 2 and all(attributes["alt"] for attributes in images)
    for attributes, expected in zip(
        images,
        (np.full((40, 30, 3), 128), draw_overlay(prediction(), prediction(review_threshold=0.5).shown_boxes)),
        strict=True,
    ):
        head, _, data = str(attributes["src"]).partition(",")
        assert head == "data:image/webp;base64"
        found = pixels(io.BytesIO(base64.b64decode(data)))
        assert np.abs(found.astype(float) - expected).mean() < 30


def test_a_notebook_is_not_filled_by_one_prediction() -> None:
    rng = np.random.default_rng(0)
    noise = rng.random((2000, 1500, 3), dtype=np.float32)
    large = prediction(image=noise, anomaly_map=noise[..., 0], size=(2000, 1500))
    assert len(large._repr_html_()) < 500_000


def test_a_file_name_cannot_become_markup() -> None:
    content = prediction(source="<script>alert('\"&')</script>\udce9.png")._repr_html_()
    content.encode("utf-8")
    shown = Elements(content)
    assert "script" not in [tag for tag, _ in shown.tags]
    assert "<script>alert('\"&')</script>\\udce9.png" in shown.text
    assert not re.search(r"(src|href)=\"(?!data:)", content)


def test_an_image_in_memory_says_so() -> None:
    assert "image in memory" in prediction(source=None)._repr_html_()


def test_a_prediction_alone_imports_neither_torch_nor_matplotlib() -> None:
    code = "import sys; from excision import Prediction; print({'torch', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_browser_shows_both_pictures(browser: Browser, tmp_path: Path) -> None:
    source = '<b onmouseover="throw 1">part</b>.png'
    content = prediction(source=source)._repr_html_()
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset='utf-8'>{content}", "utf-8")
    with opened(browser, (tmp_path / "page.html").as_uri()) as page:
        pictures = page.locator("img")
        assert pictures.count() == 2
        for place in range(2):
            sizes = pictures.nth(place).evaluate(
                "async image => { await image.decode();"
                "return [image.naturalWidth, image.naturalHeight, image.width, image.height] }"
            )
            # As stored, and as displayed: the longer side of each has one length.
            assert sizes == [30, 40, 240, 320]
        assert page.locator("code").inner_text() == source
        assert page.locator("b").count() == 0
