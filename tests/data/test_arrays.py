"""Arrays of every kind mean what a plain array of the same numbers means, or are refused by a clear error."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from excision.data.decode import array_image, read_pixels
from excision.data.images import any_full_image, any_working_image
from excision.data.inputs import input_image
from excision.errors import ImageError
from excision.settings import Settings
from excision.station.client.upload import image_bytes
from excision.training.preparing import prepare

GREY = np.random.default_rng(0).integers(0, 256, (40, 56), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (40, 56, 3), dtype=np.uint8)

_folder: list[Path] = []


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path) -> None:
    _folder[:] = [tmp_path]


def _memmap(image: NDArray[Any]) -> NDArray[Any]:
    path = _folder[0] / "pixels"
    path.write_bytes(image.tobytes())
    return np.memmap(path, image.dtype, "r", shape=image.shape)


FORMS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "matrix": lambda image: np.matrix(image) if image.ndim == 2 else image,
    "recarray": lambda image: image.view(np.recarray),
    "masked": lambda image: np.ma.masked_array(image, mask=False),
    "order": np.asfortranarray,
    "negative strides": lambda image: np.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1],
    "read-only": lambda image: np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape),
    "unaligned": lambda image: np.frombuffer(b"x" + image.tobytes(), image.dtype, offset=1).reshape(
        image.shape
    ),
    "memmap": _memmap,
    "broadcast": lambda image: np.broadcast_to(image, (1, *image.shape))[0],
}
TYPES = ["u1", "<u2", ">u2", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "longdouble", "bool"]


def of_type(image: NDArray[np.uint8], name: str) -> NDArray[Any]:
    if name == "bool":
        return image > 99
    kind = np.dtype(name)
    if kind.kind == "u":
        return image.astype(kind) * (257 if kind.itemsize == 2 else 1)
    return (image / 255).astype(kind)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_and_type_of_an_array(form: str, kind: str) -> None:
    for image in (GREY, COLOUR):
        plain = of_type(image, kind)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            given = FORMS[form](plain)
        expected = array_image(plain.astype(plain.dtype.newbyteorder("=")), 3)
        assert np.array_equal(array_image(given, 3), expected)
        taken = input_image(given).image
        assert type(taken) is np.ndarray
        assert taken.dtype.isnative
        for array in (given, taken):
            assert np.array_equal(
                any_working_image(array, (16, 24), 1), any_working_image(plain, (16, 24), 1)
            )
            assert np.array_equal(any_full_image(array, 3), any_full_image(plain, 3))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (np.ma.array(GREY, mask=GREY > 9), "masked"),
        (GREY.astype(object), "object"),
        (np.array([["a"] * 9] * 9), "<U1"),
        (GREY.astype(complex), "complex128"),
        (GREY.astype("datetime64[s]"), "datetime64"),
        (np.zeros((9, 9), [("r", "u1"), ("g", "u1")]), "'r'"),
        (GREY.astype(np.int8), "int8"),
        (GREY.astype(">i4"), "int32"),
        (GREY.astype(np.uint32), "uint32"),
        (np.zeros((0, 9), np.uint8), "too small"),
        (np.zeros((9, 0, 3), np.uint8), "too small"),
        (np.zeros((), np.uint8), "is not an image"),
        (np.zeros(9, np.uint8), "is not an image"),
        (np.zeros((9, 9, 5), np.uint8), "is not an image"),
        (np.full((9, 9), 1.0001), "between 0 and 1"),
        (np.full((9, 9), np.nan, np.float16), "NaN"),
        (np.full((9, 9), np.longdouble(2)), "between 0 and 1"),
        (np.broadcast_to(np.uint8(0), (10**6, 10**6)), "million"),
    ],
)
def test_arrays_without_meaning(bad: NDArray[Any], reason: str) -> None:
    with pytest.raises(ImageError, match=rf"An array of shape .*{reason}"):
        array_image(bad, 1)
    with pytest.raises(ImageError, match=rf"An array of shape .*{reason}"):
        any_working_image(bad, (8, 8), 1)
    with pytest.raises(ImageError, match=rf"image 1 of the given images: An array of shape .*{reason}"):
        prepare([GREY, bad], Settings())


def test_training_takes_the_same_forms() -> None:
    plain = prepare([GREY, GREY[::-1].copy(), GREY[:, ::-1].copy()], Settings())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        images: list[Any] = [np.matrix(GREY), GREY[::-1], np.ma.array(GREY[:, ::-1])]
        given = prepare(images, Settings())
    assert plain.training == given.training
    for index in range(len(plain.training)):
        assert np.array_equal(plain.read(index), given.read(index))


def test_colours_with_alpha_are_colours() -> None:
    images = [np.dstack([COLOUR, GREY]), np.dstack([COLOUR[::-1], GREY])]
    assert prepare(images, Settings()).image_format.channels == 3


@pytest.mark.parametrize("kind", ["u1", ">u2", "<f4", "bool"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_client_sends_what_an_array_means(kind: str, channels: int, tmp_path: Path) -> None:
    image = {1: GREY, 3: COLOUR, 4: np.dstack([COLOUR, GREY])}[channels]
    array = of_type(image, kind)
    (tmp_path / "a.tif").write_bytes(image_bytes(array)[1])
    assert np.array_equal(read_pixels(tmp_path / "a.tif"), array_image(array, 1 if channels == 1 else 3))
