"""What is reported of an image: the same from every door, with boxes up to a number."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from excision.inspection.batch import inspect_file
from excision.inspection.findings import findings
from excision.ops.boxes import MOST_BOXES
from excision.predictions import Prediction
from excision.station.models.version import Version
from excision.station.store.records import StoredResult
from excision.station.work.kept_images import Images
from excision.station.work.queue import Job
from excision.station.work.renderings import draw
from excision.station.work.upload import Limits, inspect_upload
from tests.evaluation.fakes import FakePredictor, save

WORKING, FILE = (150, 120), (300, 360)
THRESHOLD, REVIEW = 0.6, 0.3


def dotted(path: Path) -> Path:
    """A picture with 2000 dots, each of which stays apart at the working size, in 120 strengths."""
    pixels = np.zeros(FILE, dtype=np.uint8)
    strengths = np.random.default_rng(0).integers(100, 220, (50, 40), dtype=np.uint8)
    for row, column in np.ndindex(50, 40):
        pixels[6 * row : 6 * row + 2, 9 * column : 9 * column + 3] = strengths[row, column]
    return save(path, pixels)


@pytest.fixture
def predictor() -> FakePredictor:
    return FakePredictor(THRESHOLD, WORKING).with_thresholds(THRESHOLD, REVIEW)


def uploaded(predictor: FakePredictor, path: Path, folder: Path) -> StoredResult:
    version = Version(Path("model"), "1", "1", THRESHOLD, REVIEW, 0.0, predictor)
    return inspect_upload(
        Job(path, path.name, "model"), version, Images(folder), Limits(2**20, 10**8, 1)
    ).result


def strongest(prediction: Prediction) -> list[float]:
    """Give the peak of every region, by scipy, strongest first."""
    above = prediction.anomaly_map > REVIEW
    labels, count = ndimage.label(above, np.ones((3, 3)))
    peaks = ndimage.maximum(prediction.anomaly_map, labels, np.arange(1, count + 1))
    return sorted((float(peak) for peak in peaks), reverse=True)


def test_batch_and_station_report_the_same_boxes_of_an_image_with_very_many(
    predictor: FakePredictor, tmp_path: Path
) -> None:
    path = dotted(tmp_path / "dots.png")
    record = inspect_file(predictor, path, tmp_path / "out")
    result = uploaded(predictor, path, tmp_path / "station")
    (prediction,) = predictor.predict([path])
    peaks = strongest(prediction)
    assert len(peaks) > 1100 > len(record.boxes) == MOST_BOXES
    assert record.boxes == result.boxes
    assert (record.score, record.verdict) == (result.score, result.verdict)
    assert record.defect_area_share == result.defect_area_share
    # The strongest are kept, which the map under each box shows.
    scale = FILE[0] / WORKING[0], FILE[1] / WORKING[1]
    kept = [
        prediction.anomaly_map[
            int(y / scale[0]) : int(np.ceil((y + height) / scale[0])),
            int(x / scale[1]) : int(np.ceil((x + width) / scale[1])),
        ].max()
        for x, y, width, height in record.boxes
    ]
    assert np.allclose(kept, peaks[:MOST_BOXES])


def test_the_overlay_of_the_batch_is_that_of_the_station(predictor: FakePredictor, tmp_path: Path) -> None:
    path = dotted(tmp_path / "dots.png")
    record = inspect_file(predictor, path, tmp_path / "out")
    (prediction,) = predictor.predict([path])
    with (
        Image.open(tmp_path / "out" / str(record.overlay)) as written,
        Image.open(io.BytesIO(draw(prediction, "overlay"))) as drawn,
    ):
        assert np.array_equal(np.asarray(written), np.asarray(drawn))


def test_shown_boxes_are_those_of_the_whole_map() -> None:
    anomaly_map = np.zeros((40, 60), dtype=np.float32)
    anomaly_map[5:8, 10:14] = 1.0
    anomaly_map[9, 14] = 0.8  # a region of its own, which the reduced map would join with the first
    small = np.zeros((10, 15, 1), dtype=np.float32)
    plane = small[..., 0]
    prediction = Prediction(
        1.0, 0.5, anomaly_map, small, 0.0, plane, plane > 0, small, small, reduction=4
    )  # fmt: skip
    found = findings(prediction, (80, 60))
    assert found.boxes == ((10, 10, 4, 6), (14, 18, 1, 2))
    assert found.shown_boxes == ((2, 1, 2, 1), (3, 2, 1, 1))
    assert findings(prediction).boxes == ((10, 5, 4, 3), (14, 9, 1, 1))
    assert found.defect_area_share == pytest.approx(13 / 2400)


def test_an_image_without_anomaly_has_no_box() -> None:
    flat = np.zeros((4, 4, 1), dtype=np.float32)
    plane = flat[..., 0]
    found = findings(Prediction(0.0, 0.5, plane, flat, 0.0, plane, plane > 0, flat, flat), (8, 8))
    assert (found.verdict, found.boxes, found.shown_boxes, found.defect_area_share) == ("good", (), (), 0.0)
