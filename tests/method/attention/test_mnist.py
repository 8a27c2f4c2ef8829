"""Reading the four IDX files, and what is said of damaged ones."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from excision.errors import DatasetError
from excision.method.attention.mnist import load_mnist
from tests.method.attention.conftest import real_mnist

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(array: NDArray[np.uint8]) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


DIGITS = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
NAMES = np.array([3, 1, 4, 1, 9], np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / f"{IMAGES}.gz").write_bytes(gzip.compress(idx(DIGITS)))
    (tmp_path / f"{LABELS}.gz").write_bytes(gzip.compress(idx(NAMES)))
    return tmp_path


def assert_read(folder: Path) -> None:
    digits, labels = load_mnist(folder, "train")
    np.testing.assert_array_equal(digits, DIGITS)
    np.testing.assert_array_equal(labels, NAMES)


def test_gzipped_or_not(folder: Path) -> None:
    assert_read(folder)
    (folder / f"{IMAGES}.gz").unlink()
    (folder / IMAGES).write_bytes(idx(DIGITS))
    assert_read(folder)


def test_missing_files_are_named(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"t10k-images-idx3-ubyte\.gz nor t10k-images-idx3-ubyte"):
        load_mnist(folder, "test")
    with pytest.raises(DatasetError, match=IMAGES):
        load_mnist(folder / "nowhere", "train")


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "no gzip": lambda _: b"<html>not found</html>",
    "gzip cut short": lambda whole: gzip.compress(whole)[:-20],
    "gzip altered": lambda whole: gzip.compress(whole)[:30] + b"\xff" * 40 + gzip.compress(whole)[70:],
    "header cut short": lambda whole: gzip.compress(whole[:6]),
    "one byte of header": lambda whole: gzip.compress(whole[:1]),
    "wrong magic": lambda whole: gzip.compress(b"\1" + whole[1:]),
    "floats": lambda whole: gzip.compress(whole[:2] + b"\x0d" + whole[3:]),
    "one byte short": lambda whole: gzip.compress(whole[:-1]),
    "one byte too many": lambda whole: gzip.compress(whole + b"\0"),
    "count in the billions": lambda whole: gzip.compress(whole[:4] + b"\xff" * 4 + whole[8:]),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("name", "array"), [(IMAGES, DIGITS), (LABELS, NAMES)])
def test_damaged_files_are_named(folder: Path, name: str, array: NDArray[np.uint8], damage: str) -> None:
    (folder / f"{name}.gz").write_bytes(DAMAGE[damage](idx(array)))
    with pytest.raises(DatasetError, match=f"{name}.gz"):
        load_mnist(folder, "train")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        (IMAGES, DIGITS[:4]),
        (IMAGES, DIGITS[:, :27]),
        (LABELS, NAMES[:4]),
        (LABELS, NAMES + 7),
    ],
)
def test_files_that_do_not_belong_together(folder: Path, name: str, array: NDArray[np.uint8]) -> None:
    (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    with pytest.raises(DatasetError, match="train holds"):
        load_mnist(folder, "train")


def test_no_digits_at_all(folder: Path) -> None:
    (folder / f"{IMAGES}.gz").write_bytes(gzip.compress(idx(DIGITS[:0])))
    (folder / f"{LABELS}.gz").write_bytes(gzip.compress(idx(NAMES[:0])))
    with pytest.raises(DatasetError, match="train holds"):
        load_mnist(folder, "train")


def test_the_real_files() -> None:
    digits, labels = load_mnist(real_mnist(), "test")
    assert digits.shape == (10_000, 28, 28)
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # Bright on black, with an empty frame.
    assert digits[:, 0].max() == 0 and digits.max() == 255
