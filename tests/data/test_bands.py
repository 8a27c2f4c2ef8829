"""Images that are decoded and resized in bands have the values of the whole image, and take less memory."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from excision.data.decode import check_decodes, read_image, read_pixels
from excision.data.images import any_full_image, any_working_image, load_working_image, resize_image
from excision.data.pixels import to_channels, upright
from excision.errors import ImageError
from excision.ops import bands
from excision.ops.unit_range import from_unit
from tests.data.memory import peak_growth

SIDES = st.integers(8, 90)


@given(
    st.data(),
    st.tuples(SIDES, SIDES, st.sampled_from([1, 3])),
    st.tuples(SIDES, SIDES),
    st.integers(1, 8),
    st.sampled_from(["png", "jpg", "tif"]),
)
@settings(deadline=None, max_examples=80)
def test_bands_have_the_values_of_the_whole(
    data: st.DataObject, shape: tuple[int, int, int], size: tuple[int, int], orientation: int, suffix: str
) -> None:
    noise = np.random.default_rng(shape).integers(0, 256, shape, dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    band, channels = data.draw(st.integers(1, 2000)), data.draw(st.sampled_from([1, 3]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{suffix}"
        picture = Image.fromarray(noise.squeeze(axis=2) if shape[2] == 1 else noise)
        if suffix == "tif":
            picture.save(path, tiffinfo={274: orientation})
        else:
            picture.save(path, exif=exif)
        whole = read_image(path, channels)
        resized = from_unit(resize_image(whole, size))
        with mock.patch.object(bands, "BAND", band):
            assert np.array_equal(load_working_image(path, size, channels), resized)
            assert np.array_equal(any_full_image(path, channels), from_unit(whole))
            assert np.array_equal(read_image(path, channels), whole)
        if suffix != "jpg":
            assert np.array_equal(np.rint(read_pixels(path) * 255), upright(noise, orientation))


def test_the_order_of_the_two_directions_is_that_of_pillow() -> None:
    """Else the last bit of a large image would depend on the version of Pillow."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width, tall, wide = (int(side) for side in rng.integers(8, 200, 4))
        image = rng.random((height, width, 1), np.float32)
        with mock.patch.object(bands, "BAND", 500):
            given = any_working_image(image[..., 0], (tall, wide), 1)
        assert np.array_equal(given, from_unit(resize_image(image, (tall, wide))))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp", "a.ppm"])
def test_a_large_image_is_never_held_in_floating_point(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bands, "BAND", bands.BAND // 4)
    side = 2500
    path = tmp_path / name
    Image.fromarray(np.full((side, side, 3), (10, 20, 30), np.uint8)).save(path)
    stored, band = side * side * (4 if name in ("a.jpg", "a.bmp") else 3), 60_000_000
    load_working_image(path, (64, 64), 1)
    assert peak_growth(lambda: load_working_image(path, (64, 64), 3)) < stored + band
    assert peak_growth(lambda: check_decodes(path)) < stored + band
    assert peak_growth(lambda: any_full_image(path, 3)) < stored + band + 2 * 3 * side * side


def test_a_value_without_meaning_in_the_last_band_is_found(tmp_path: Path) -> None:
    values = np.zeros((64, 64), np.float32)
    values[-1, -1] = 2
    Image.fromarray(values).save(tmp_path / "a.tif")
    with mock.patch.object(bands, "BAND", 640):
        for read in (read_pixels, check_decodes, lambda path: load_working_image(path, (8, 8), 1)):
            with pytest.raises(ImageError, match=r"a\.tif: .*between 0 and 1"):
                read(tmp_path / "a.tif")


def test_the_grey_of_a_pixel_does_not_depend_on_the_pixels_beside_it() -> None:
    colour = np.random.default_rng(0).random((40, 30, 3), np.float32)
    columns = [to_channels(colour[:, at : at + 1], 1) for at in range(30)]
    assert np.array_equal(np.concatenate(columns, axis=1), to_channels(colour, 1))
