"""Golden images that are not what they should be: one clear error, and no memory for what they claim."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from excision.errors import ModelError
from excision.runtime import Inspector
from excision.runtime.golden_file import GOLDEN, Golden
from excision.runtime.verification import verify
from tests.runtime.folders import FORMAT_1, old_folder, sealed_folder

MOST_MEMORY = 64 * 2**20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return old_folder(tmp_path)


def arrays(folder: Path) -> dict[str, Any]:
    with np.load(folder / GOLDEN) as stored:
        return {name: stored[name] for name in ("images", "scores", "maps")}


def set_first(value: float) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def change(array: NDArray[Any]) -> NDArray[Any]:
        array = array.copy()
        array.flat[0] = value
        return array

    return change


CHANGES: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "one axis less": lambda array: array[0],
    "one axis more": lambda array: array[None],
    "the first alone": lambda array: array[:1],
    "none": lambda array: array[:0],
    "repeated": lambda array: np.concatenate([array] * 30),
    "of bytes": lambda array: array.astype(np.uint8),
    "of float16": lambda array: array.astype(np.float16),
    "of complex": lambda array: array.astype(np.complex64),
    "of objects": lambda array: array.astype(object),
    "of text": lambda array: array.astype(str),
    "of the other byte order": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "a record": lambda array: array.astype([("value", array.dtype)]),
    "a scalar": lambda array: array.reshape(-1)[0],
    "cut": lambda array: array[:, :-1] if array.ndim > 1 else array[:-1],
    "doubled": lambda array: array * 2 + 1,
    "zero": np.zeros_like,
    "backwards": lambda array: array[::-1],
}
NOT_FINITE = {"NaN": set_first(np.nan), "infinite": set_first(np.inf), "minus infinite": set_first(-np.inf)}


@pytest.mark.parametrize("name", ["images", "scores", "maps"])
def test_a_changed_array_is_seen(folder: Path, name: str) -> None:
    known = arrays(folder)
    changes = CHANGES | ({} if name == "images" else NOT_FINITE)
    inspector = Inspector(folder, threads=1)
    for what, change in changes.items():
        np.savez_compressed(folder / GOLDEN, **{**known, name: change(known[name])})
        with pytest.raises(ModelError) as caught:
            verify(inspector)
        assert len(str(caught.value)) < 500, what
        if what not in ("doubled", "zero", "backwards"):
            assert GOLDEN in str(caught.value), (what, caught.value)


def test_a_sealed_folder_has_its_golden_images(tmp_path: Path) -> None:
    folder = sealed_folder(tmp_path)
    known = arrays(folder)
    np.savez_compressed(folder / GOLDEN, **{**known, "maps": set_first(0.5)(known["maps"])})
    with pytest.raises(ModelError, match=f"{GOLDEN}: this is not the file that model.json describes"):
        Inspector(folder)
    (folder / GOLDEN).unlink()
    with pytest.raises(ModelError, match=f"{GOLDEN} is missing"):
        Inspector(folder)


def header(shape: str, dtype: str = "'<u2'") -> bytes:
    """Give the header of an array as numpy writes it."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def archive(folder: Path, images: bytes, more: dict[str, bytes] | None = None) -> None:
    """Write golden images whose first array has these bytes."""
    known = arrays(FORMAT_1 / "exported")
    with zipfile.ZipFile(folder / GOLDEN, "w", zipfile.ZIP_DEFLATED) as stored:
        stored.writestr("images.npy", images)
        for name in ("scores", "maps"):
            stream = io.BytesIO()
            np.save(stream, known[name])
            stored.writestr(f"{name}.npy", stream.getvalue())
        for name, content in (more or {}).items():
            stored.writestr(name, content)


class Runs:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "images",
    [
        header("(6, 100000, 100000, 1)"),
        header("(6, 100000, 100000, 1)") + bytes(100),
        header("(1, 9223372036854775807, 9223372036854775807, 3)"),
        header("(6, -1, 64, 1)"),
        header("(6, 64, 64, 1)"),
        header("(6, 64, 64, 1)") + bytes(6 * 64 * 64 * 2 + 2),
        header("(" * 4000 + ")" * 4000),
        header("'x'"),
        header("(6, 64, 64, 1)", "'|O'") + b"x",
        header("(6, 64, 64, 1)", "[('a', '<u2')] * 9"),
        b"\x93NUMPY\x01\x00\xff\xff" + b"{" * 65535,
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b"{" * 100,
        b"\x93NUMPY\x03\x00" + header("(6, 64, 64, 1)")[8:],
        b"",
        bytes(64 * 2**20),
    ],
)  # fmt: skip
def test_headers_that_lie_take_no_memory(folder: Path, images: bytes) -> None:
    archive(folder, images)
    images = b""
    tracemalloc.start()
    with pytest.raises(ModelError, match=GOLDEN):
        Golden.load(folder)
    assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    tracemalloc.stop()


def test_nothing_is_unpickled(folder: Path, tmp_path: Path) -> None:
    content = pickle.dumps(Runs(tmp_path / "ran"))
    archive(folder, header("(1, 1, 1, 1)", "'|O'") + content)
    with pytest.raises(ModelError, match=GOLDEN):
        Golden.load(folder)
    archive(folder, content)
    with pytest.raises(ModelError, match=GOLDEN):
        Golden.load(folder)
    assert not (tmp_path / "ran").exists()


def test_other_archives_are_refused(folder: Path) -> None:
    whole = (folder / GOLDEN).read_bytes()
    stream = io.BytesIO()
    np.save(stream, arrays(folder)["images"])
    archive(folder, stream.getvalue())
    Golden.load(folder)
    for more in ({"more.npy": b""}, {"images.npy.txt": b""}, {"../images.npy": b""}):
        archive(folder, stream.getvalue(), more)
        with pytest.raises(ModelError, match="nothing else"):
            Golden.load(folder)
    rng = np.random.default_rng(0)
    for _ in range(100):
        changed = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            changed[place] ^= int(rng.integers(1, 256))
        (folder / GOLDEN).write_bytes(bytes(changed))
        try:
            found = Golden.load(folder)
        except ModelError as error:
            assert GOLDEN in str(error)
        else:  # the change was in a date, or in a name that nothing reads
            assert found.images.tobytes() == arrays(folder)["images"].tobytes()
