"""Inspecting in tiles: torch and the exported folder agree, scores are exact, and the criteria hold."""

from __future__ import annotations

import dataclasses
import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision import Detector
from excision.cli import run as command_line
from excision.errors import ImageError, ModelError
from excision.inspection.batch import find_images
from excision.inspection.log import read_log
from excision.report.writing import inspect_and_report
from excision.runtime.defect_criteria import REGION, DefectCriteria
from excision.runtime.golden_file import Golden
from excision.runtime.inspector import Inspector
from excision.runtime.model_folder import DESCRIPTION, Description
from excision.runtime.verification import Proof, verify
from excision.tiling import assembly, tile_threads
from tests.tiling.conftest import TILE, draw_strip


def test_torch_and_the_exported_folder_say_the_same(exported: tuple[Path, Proof], tiled: Path) -> None:
    detector, inspector = Detector.load(tiled, device="cpu"), Inspector(exported[0], threads=1)
    for size in ((64, 80), (70, 401), (200, 333)):
        image = draw_strip(50, size)
        image[20:28, 30:36] = 230
        (ours,), theirs = detector.predict(image), inspector.inspect(image)
        assert ours.anomaly_map.shape == theirs.anomaly_map.shape == size
        assert theirs.score == pytest.approx(ours.score, rel=1e-3)
        np.testing.assert_array_equal(theirs.mask, ours.mask)
        for plane in ("anomaly_map", "image", "attention", "masked_image", "recovery"):
            np.testing.assert_allclose(getattr(theirs, plane), getattr(ours, plane), rtol=1e-2, atol=1e-3)


def test_an_image_has_one_score_however_often_it_is_seen(exported: tuple[Path, Proof], tiled: Path) -> None:
    image = draw_strip(51, (130, 300))
    for predictor in (Detector.load(tiled, device="cpu"), Inspector(exported[0], threads=1)):
        first, other, again = predictor.predict([image, draw_strip(52), image])
        assert first.score == again.score != other.score
        assert first.anomaly_map.tobytes() == again.anomaly_map.tobytes()


def test_the_score_is_the_maximum_of_the_map_and_that_of_a_single_tile(
    exported: tuple[Path, Proof], tiled: Path
) -> None:
    tile = draw_strip(53, TILE)
    for predictor in (Detector.load(tiled, device="cpu"), Inspector(exported[0], threads=1)):
        (whole,) = predictor.predict(draw_strip(53, (99, 250)))
        assert whole.score == whole.anomaly_map.max()
        (single,) = predictor.predict(tile)
        assert single.score == single.anomaly_map.max()


def test_the_threshold_is_calibrated_on_whole_images(
    exported: tuple[Path, Proof], tiled: Path, strips: Path
) -> None:
    held_out = json.loads((tiled / "fingerprint.json").read_text())["calibration"]
    detector, inspector = Detector.load(tiled, device="cpu"), Inspector(exported[0])
    for predictor in (detector, inspector):
        scores = sorted(found.score for found in predictor.predict([strips / name for name in held_out]))
        calibration = detector.calibration if predictor is detector else inspector.description.calibration
        assert calibration is not None
        assert scores == pytest.approx(list(calibration.scores), rel=1e-6)


def test_the_proof_covers_tiles_and_whole_images(exported: tuple[Path, Proof], tiled: Path) -> None:
    out, proof = exported
    golden = Golden.load(out)
    held_out = json.loads((tiled / "fingerprint.json").read_text())["calibration"]
    assert golden.images.shape[1:] == (*TILE, 1)
    assert proof.images == len(golden.images) + len(held_out)
    assert verify(Inspector(out)).score_drift < 1e-3


def test_the_description_says_that_the_size_is_a_tile(exported: tuple[Path, Proof], tmp_path: Path) -> None:
    content = json.loads((exported[0] / DESCRIPTION).read_text())
    assert content["size"] == list(TILE) and set(content["tile"]) == {"grid", "halo"}
    # A folder of before there were tiles, and before there were hashes.
    del content["tile"], content["files"], content["checksum"]
    content["format"] = 1
    (tmp_path / DESCRIPTION).write_text(json.dumps(content))
    assert Description.load(tmp_path).tile is None
    for wrong in ({"grid": 16}, {"grid": 999, "halo": 8}, 7):
        (tmp_path / DESCRIPTION).write_text(json.dumps({**content, "tile": wrong}))
        with pytest.raises(ModelError, match=DESCRIPTION):
            Description.load(tmp_path)


def test_an_image_smaller_than_a_tile_is_no_verdict(
    exported: tuple[Path, Proof], tiled: Path, tmp_path: Path
) -> None:
    Image.fromarray(draw_strip(1, (50, 300))).save(tmp_path / "small.png")
    Image.fromarray(draw_strip(1)).save(tmp_path / "strip.png")
    for predictor in (Detector.load(tiled, device="cpu"), Inspector(exported[0])):
        with pytest.raises(ImageError, match="50 x 300 pixels"):
            next(predictor.predict(tmp_path / "small.png"))
    out = tmp_path / "out"
    assert command_line(["inspect", str(exported[0]), str(tmp_path), "--out", str(out)]) == 2
    errors = {Path(line.image).name: line.error for line in read_log(out)}
    assert errors["strip.png"] is None and "smaller --tile" in str(errors["small.png"])


def test_a_region_is_scaled_to_each_image_and_a_minimum_area_holds(
    exported: tuple[Path, Proof], strips: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(exported[0], tmp_path / "copy"))
    # Drawn on another size than any image has: the left half counts.
    (tmp_path / "roi.toml").write_text(
        "size = [10, 20]\npolygons = [[[-1, -1], [9.4, -1], [9.4, 11], [-1, 11]]]\n"
    )
    words = [
        "calibrate",
        str(folder),
        str(strips),
        "--roi",
        str(tmp_path / "roi.toml"),
        "--minimum-area",
        "5",
    ]
    assert command_line([*words, "--false-alarm-rate", "30%", "--few"]) == 0
    assert (folder / REGION).is_file()
    inspector, plain = Inspector(folder, threads=1), Inspector(exported[0], threads=1)
    for path in find_images([strips]):
        found, everything = inspector.inspect(path), plain.inspect(path)
        height, width = everything.anomaly_map.shape
        region = np.zeros((height, width), dtype=bool)
        region[:, : width // 2] = True
        expected = DefectCriteria(region, 5)
        assert found.score == expected.score(everything.anomaly_map)
        np.testing.assert_array_equal(
            found.anomaly_map, expected.clean(everything.anomaly_map, inspector.threshold)
        )


def test_results_of_large_images_are_shown_reduced(
    exported: tuple[Path, Proof], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "MOST_SHOWN", 100)
    inspector = Inspector(exported[0], threads=1)
    inspector.description = dataclasses.replace(
        inspector.description,
        calibration=dataclasses.replace(inspector.description.calibration, threshold=0.5),
    )
    image = draw_strip(60, (90, 370))
    image[40:50, 200:212] = 240
    Image.fromarray(image).save(tmp_path / "strip.png")
    found = inspector.inspect(tmp_path / "strip.png")
    assert (found.reduction, found.image.shape, found.anomaly_map.shape) == (4, (23, 93, 1), (90, 370))
    small = found.overview()
    assert small.anomaly_map.shape == small.mask.shape == (23, 93)
    assert small.anomaly_map.max() == found.anomaly_map.max()
    assert (small.score, small.verdict, small.reduction) == (found.score, found.verdict, 1)
    inspect_and_report(inspector, [tmp_path / "strip.png"], tmp_path / "out")
    (line,) = read_log(tmp_path / "out")
    assert line.overlay is not None
    with Image.open(tmp_path / "out" / line.overlay) as overlay:
        assert overlay.size == (93, 23)
    above = found.anomaly_map > 0.5
    assert line.defect_area_share == pytest.approx(above.mean())
    rows, columns = np.nonzero(above)
    left, top = min(box[0] for box in line.boxes), min(box[1] for box in line.boxes)
    right = max(box[0] + box[2] for box in line.boxes)
    assert (left, top, right) == (columns.min(), rows.min(), columns.max() + 1)
    assert (tmp_path / "out" / "report.html").is_file()


def test_the_measurement_of_a_large_image(
    exported: tuple[Path, Proof], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In short form: the plate is small, and its tiles are inspected at once nevertheless."""
    monkeypatch.setattr(tile_threads, "LARGE", 1)
    script = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "large_image.py"))
    pixels, _ = script["draw_plate"]("cast_grain", (300, 500), 0, seed=1)
    script["save"](tmp_path / "plate.png", pixels)
    one, several = (script["inspect"](exported[0], tmp_path / "plate.png", 1, workers) for workers in (1, 3))
    assert one["score"] == several["score"] and one["boxes"] == several["boxes"]
    assert one["tiles"] > 3 and several["seconds_processor"] > 0
