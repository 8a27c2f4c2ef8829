"""Training on tiles: what is cut, what is kept apart, and that a stopped run goes on to the same weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision import Detector
from excision.data import load_dataset
from excision.data.images import any_full_image
from excision.errors import DatasetError, ImageError, SettingsError
from excision.export.examples import graph_image
from excision.method.run_folder import FINGERPRINT, TILES, TRAINING, load_model
from excision.method.run_start import prepare_run
from excision.settings import ImageSettings, Settings
from excision.tiling.geometry import Tiling
from excision.tiling.image_format import ImageFormat
from excision.training.preparing import prepare
from tests.tiling.conftest import TILE, draw_strip


def test_tiles_are_cut_at_full_resolution_out_of_training_images_alone(
    tiled_settings: Settings, strips: Path, tmp_path: Path
) -> None:
    data = prepare(load_dataset(strips), tiled_settings)
    assert (data.image_format.size, data.image_format.channels, data.image_format.tile) == (TILE, 1, TILE)
    assert set(data.sources) & set(data.calibration) == set()
    assert len(data.sources) + len(data.calibration) == 6
    with data.materialised(tmp_path / "tiles", lambda *_: None):
        for index, name in enumerate(data.training):
            source, _, place = name.partition(" at row ")
            top, left = (int(number) for number in place.split(", column "))
            whole = any_full_image(strips / source, 1)
            assert source in data.sources
            np.testing.assert_array_equal(data.read(index), whole[top : top + TILE[0], left : left + TILE[1]])
    assert len(list((tmp_path / "tiles").iterdir())) == len(data.training)


def test_what_is_held_out_stays_whole(tiled_settings: Settings, strips: Path) -> None:
    data = prepare(load_dataset(strips), tiled_settings)
    for path in data.calibration_images():
        assert isinstance(path, Path) and path.parent == strips / "good"


def test_a_cutting_that_was_stopped_goes_on(tiled_settings: Settings, strips: Path, tmp_path: Path) -> None:
    data = prepare(load_dataset(strips), tiled_settings)
    with data.materialised(tmp_path, lambda *_: None):
        before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()}
    removed = sorted(before)[3]
    removed.unlink()
    with data.materialised(tmp_path, lambda *_: None):
        after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()}
    assert {path for path in before if before[path][0] != after[path][0]} == {removed}
    assert {path: content for path, (_, content) in before.items()} == {
        path: content for path, (_, content) in after.items()
    }


def test_a_run_notes_images_and_tiles_and_leaves_no_tile(tiled: Path, strips: Path) -> None:
    facts, data = json.loads((tiled / TRAINING).read_text()), json.loads((tiled / FINGERPRINT).read_text())
    assert facts["n_training"] == len(data["training"]) == 5
    assert facts["n_tiles"] > 5 * 5
    assert all((strips / name).is_file() for name in [*data["training"], *data["calibration"]])
    assert not (tiled / TILES).exists()
    detector = Detector.load(tiled)
    assert detector.settings.image == ImageSettings(tile=TILE)
    assert (detector.image_format.size, detector.image_format.channels) == (TILE, 1)
    assert detector.image_format.tile == TILE


def test_a_stopped_run_goes_on_to_the_same_weights(
    tiled_settings: Settings, tiled: Path, strips: Path, tmp_path: Path
) -> None:
    data = prepare(load_dataset(strips), tiled_settings)
    run = tmp_path / "run"
    # As after a kill in the middle of the cutting.
    prepare_run(run, tiled_settings, data.image_format, data.fingerprint(), resume=False)
    with data.materialised(run / TILES, lambda *_: None):
        pass
    sorted((run / TILES).iterdir())[0].unlink()
    Detector(tiled_settings, device="cpu").fit(load_dataset(strips), run, resume=True)
    ours, theirs = load_model(run), load_model(tiled)
    assert ours[1:] == theirs[1:]
    for name, tensor in ours[0].items():
        assert tensor.equal(theirs[0][name]), name


def test_other_tiles_are_another_run(tiled: Path, strips: Path, tiled_settings: Settings) -> None:
    other = replace(tiled_settings, image=ImageSettings(tile=(64, 64)))
    with pytest.raises(SettingsError, match=r"image\.tile was \(64, 80\) and is now \(64, 64\)"):
        Detector(other, device="cpu").fit(load_dataset(strips), tiled, resume=True)


def test_arrays_are_cut_too(tiled_settings: Settings) -> None:
    plates = [draw_strip(number, (150, 200)) for number in range(3)]
    detector = Detector(tiled_settings, device="cpu").fit(plates)
    (found,) = detector.predict(plates[0])
    assert found.anomaly_map.shape == (150, 200)
    with pytest.raises(ImageError, match="image 1 of the given images has 60 x 200 pixels"):
        Detector(tiled_settings, device="cpu").fit([plates[0], plates[1][:60]])


def test_images_smaller_than_a_tile_are_skipped_by_name(
    tiled_settings: Settings, strips: Path, tmp_path: Path
) -> None:
    for path in (strips / "good").iterdir():
        Image.open(path).save(tmp_path / path.name)
    Image.fromarray(draw_strip(9, (63, 500))).save(tmp_path / "short.png")
    data = prepare(load_dataset(tmp_path), tiled_settings)
    (skipped,) = data.skipped
    assert skipped.name == "short.png" and "63 x 500 pixels" in skipped.reason
    large = replace(tiled_settings, image=ImageSettings(tile=(512, 512)))
    with pytest.raises(
        DatasetError, match=r"the first: .*smaller than a tile of 512 x 512: leave it out, or"
    ):
        prepare(load_dataset(tmp_path), large)


def test_a_graph_is_shown_the_middle_of_a_large_image_and_nothing_of_a_small_one() -> None:
    shown = ImageFormat((64, 80), 1, Tiling((64, 80), 16, 8))
    large = draw_strip(1, (70, 400))
    middle = graph_image(large, shown)
    np.testing.assert_array_equal(middle, any_full_image(large, 1)[3:67, 160:240])
    with pytest.raises(ImageError, match="smaller than a tile of 64 x 80"):
        graph_image(large[:60], shown)


def test_recalibrating_cuts_the_same_tiles_again(tiled: Path, strips: Path) -> None:
    detector = Detector.load(tiled, device="cpu")
    before = detector.calibration
    assert detector.recalibrate(strips).calibration == before
