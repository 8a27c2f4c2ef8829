"""Every combination of what the values of a TIFF file mean with every way to store them.

`test_tiff_product.py` tries a part of the product that has every pair of choices in it. The whole, of more
than a quarter of a million files, takes some minutes:

    python -m tests.data.tiff_product
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.data.decode import probe_image, read_pixels
from excision.errors import ImageError
from tests.data.tiff_bytes import (
    COMPLEX,
    COMPLEX_INTEGER,
    COMPRESSIONS,
    FLOAT,
    NONE,
    PACKBITS,
    SIGNED,
    UNSIGNED,
    VOID,
    Container,
    tiff,
)

HEIGHT, WIDTH = 9, 18
"""Two rows of strips, the second shorter, and two columns of tiles that reach beyond the image."""

KINDS: tuple[tuple[int, int | None], ...] = (
    *((bits, UNSIGNED) for bits in (1, 2, 4, 8, 12, 16, 32, 64)),
    *((bits, FLOAT) for bits in (16, 32, 64)),
    *((bits, SIGNED) for bits in (8, 16, 32)),
    (8, None),
    (16, VOID),
    (32, COMPLEX_INTEGER),
    (64, COMPLEX),
)
INVERTED, GREY, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
COLOURS = {INVERTED: 1, GREY: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
EXTRAS = ("none", "unnamed", "unspecified", "premultiplied", "alpha")
CODES = {"unspecified": 0, "premultiplied": 1, "alpha": 2}

CHOICES: tuple[tuple[Any, ...], ...] = (
    COMPRESSIONS,
    KINDS,
    ("<", ">"),
    tuple(COLOURS),
    (False, True),
    EXTRAS,
    (1, 2, 3),
    ("strip", "strips", "tiles"),
    (False, True),
)


@dataclass(frozen=True)
class Cell:
    """One file of the product."""

    container: Container
    bits: int
    form: int | None
    photometric: int
    extra: str

    @property
    def floating(self) -> bool:
        return self.form == FLOAT

    @property
    def meaningful(self) -> bool:
        """Whether the values have a defined meaning, in whatever way they are stored."""
        allowed = {UNSIGNED: (1, 8, 16), None: (1, 8, 16), FLOAT: (16, 32, 64)}.get(self.form, ())
        if self.bits not in allowed or (self.floating and self.photometric > RGB):
            return False
        if self.photometric == YCBCR and self.bits != 8:
            return False
        return not (self.photometric == PALETTE and self.extra == "premultiplied")

    @property
    def storable(self) -> bool:
        """Whether the predictor suits the values and the compression."""
        predictor = self.container.predictor
        if predictor == 1:
            return True
        suits = self.bits != 1 and (predictor == 2 or self.floating)
        return suits and self.container.compression not in (NONE, PACKBITS)


def cells(step: int = 1) -> Iterator[Cell]:
    """Give every `step`th cell of the product."""
    product = itertools.product(*CHOICES)
    for compression, kind, order, photometric, planar, extra, predictor, layout, big in itertools.islice(
        product, 0, None, step
    ):
        container = Container(compression, order, big, layout, planar, predictor)
        bits, form = kind
        yield Cell(container, bits, form, photometric, extra)


def content(cell: Cell) -> bytes:
    """Write the file of a cell."""
    tags: dict[int, Any] = {262: cell.photometric}
    if cell.extra in CODES:
        tags[338] = CODES[cell.extra]
    if cell.photometric == PALETTE and cell.bits <= 16:
        tags[320] = tuple(int(number) for number in palette(cell.bits).ravel())
    if cell.photometric == YCBCR:
        # Without this tag, colours would be stored at half the resolution.
        tags[530] = (1, 1)
    return tiff(stored(cell), cell.bits, cell.container, tags, cell.form)


@cache
def palette(bits: int) -> NDArray[np.int64]:
    """Give (3, colours) of 16 bits."""
    return np.random.default_rng(bits).integers(0, 2**16, (3, 2**bits))


def numbers(cell: Cell) -> NDArray[np.float64]:
    """Give the values (H, W, S) in [0, 1], premultiplied ones not above their alpha."""
    samples = COLOURS[cell.photometric] + (cell.extra != "none")
    values = np.random.default_rng([cell.bits, cell.photometric, samples]).random((HEIGHT, WIDTH, samples))
    if cell.extra == "premultiplied" and cell.photometric in (GREY, INVERTED, CMYK):
        values[..., :-1] *= values[..., -1:]
    return values


def stored(cell: Cell) -> NDArray[Any]:
    if cell.floating:
        whole: NDArray[Any] = numbers(cell).astype(f"f{cell.bits // 8}").view(f"u{cell.bits // 8}")
        return whole
    bits = cell.bits - (cell.form in (SIGNED, COMPLEX_INTEGER))
    scaled: NDArray[Any] = np.floor(numbers(cell) * 2 ** min(bits, 53)).astype(np.uint64)
    return scaled


def expected(cell: Cell) -> NDArray[np.float64]:
    """Give what the documents say that the values mean, (H, W, 1 or 3)."""
    whole = stored(cell)
    if cell.floating:
        values = whole.view(f"f{cell.bits // 8}").astype(np.float64)
    else:
        values = whole.astype(np.float64) / (2**cell.bits - 1)
    count = COLOURS[cell.photometric]
    colours, alpha = values[..., :count], values[..., count:]
    premultiplied = cell.extra == "premultiplied"
    if cell.photometric == INVERTED:
        colours = (alpha if premultiplied else 1) - colours
    if cell.photometric == PALETTE:
        colours = palette(cell.bits).T[whole[..., 0].astype(int)] / 65535
    if cell.photometric == CMYK:
        inks = np.minimum(colours / np.maximum(alpha, 1e-9), 1) if premultiplied else colours
        colours = (1 - inks[..., :3]) * (1 - inks[..., 3:]) * (alpha if premultiplied else 1)
    if cell.photometric == YCBCR:
        light, blue, red = (255 * colours[..., i] - (0, 128, 128)[i] for i in range(3))
        mixed = (light + 1.402 * red, light - 0.344136 * blue - 0.714136 * red, light + 1.772 * blue)
        colours = np.clip(np.stack(mixed, axis=2) / 255, 0, 1)
    opaque: NDArray[np.float64] = np.maximum(colours * (alpha if cell.extra == "alpha" else 1), 0)
    return opaque


def tolerance(cell: Cell) -> float:
    """YCbCr is converted with 8 bits, as in JPEG files; everything else is exact up to rounding."""
    return 1.01 / 255 if cell.photometric == YCBCR else 2e-6


def outcome(cell: Cell, path: Path) -> str:
    """Read a cell's file: "read", or the reason of the refusal; wrong values raise AssertionError."""
    path.write_bytes(content(cell))
    try:
        info = probe_image(path)
    except ImageError as error:
        said = str(error)
        try:
            read_pixels(path)
        except ImageError as second:
            assert str(second) == said, cell
            return said.removeprefix(f"{path}: ")
        raise AssertionError(f"probed as unreadable, but read: {cell}") from error
    pixels, wanted = read_pixels(path), expected(cell)
    assert pixels.shape == wanted.shape, cell
    assert info.size == pixels.shape[:2], cell
    assert info.colour == (pixels.shape[2] == 3), cell
    assert ("alpha" in info.mode) == (cell.extra in ("premultiplied", "alpha")), cell
    assert np.abs(pixels - wanted).max() <= tolerance(cell), cell
    return "read"


def counts(chosen: Iterable[Cell], path: Path) -> Counter[str]:
    """Read cells, assert that each is read rightly or refused as it should, and count the outcomes."""
    found: Counter[str] = Counter()
    reasons: dict[tuple[Any, ...], str] = {}
    for cell in chosen:
        result = outcome(cell, path)
        assert (result == "read") == (cell.meaningful and cell.storable), (cell, result)
        if not cell.meaningful:
            # The same words, in whatever way the values are stored.
            meaning = (cell.bits, cell.form, cell.photometric, cell.extra)
            assert reasons.setdefault(meaning, result) == result, cell
        elif not cell.storable:
            assert "predictor" in result, (cell, result)
        found[result if result == "read" or cell.meaningful else "no defined meaning"] += 1
    return found


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        total = counts(cells(int(sys.argv[1]) if sys.argv[1:] else 1), Path(folder) / "a.tif")
    print(f"{total.total()} files")
    for reason, number in total.most_common():
        print(f"{number:8} {reason}")
