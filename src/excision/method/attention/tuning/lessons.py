"""Batches for tuning: pieces of normal images, most with a defect drawn on; reproducible by seed and step.

Some images of the pre-training are mixed in, so that the network does not forget it (experience replay;
Robins, "Catastrophic forgetting, rehearsal and pseudorehearsal", 1995).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from excision.method.attention.digits import Lesson, draw_surface
from excision.method.attention.tuning.drawn_defects import draw_defect
from excision.method.attention.tuning.strokes import pen_stroke
from excision.ops.colour import LUMA
from excision.ops.unit_range import to_unit
from excision.settings import ATTENTION_STRIDES

FloatImage = NDArray[np.float32]

_SIDE = 192  # side of a piece in pixels, if the image is that large
_AREA = 2**18  # pixels in a batch
_DRAWING = 128  # side in pixels of the square in which a defect is drawn
_GOOD = 0.25  # share of the pieces without a defect
_CLOSER, _WIDER = 0.6, 0.25  # shares of the pieces that are enlarged, and reduced as far as the image allows
_STRIDE = ATTENTION_STRIDES["surface"]  # sides of pieces are multiples of it, which suits the finer grid too


class LessonSource:
    """Draws batches from the normal images of a product.

    Args:
        count: number of training images.
        read: returns the working image (H, W, C) uint16 of an image by its index.
        size: (H, W) of the working images.
        seed: seed of everything random.
        replay: share of the drawn images that come from the pre-training, 0 to 1.
    """

    def __init__(
        self,
        count: int,
        read: Callable[[int], NDArray[np.uint16]],
        size: tuple[int, int],
        seed: int,
        replay: float,
    ) -> None:
        self._count = count
        self._read = read
        self._size = size
        self._seed = seed
        self._replay = replay
        height, width = (max(_STRIDE, min(side, _SIDE) // _STRIDE * _STRIDE) for side in size)
        self._piece = (height, width)
        self._batch = max(2, _AREA // (height * width))

    def batch(self, step: int) -> Lesson:
        """Return the batch of a step; it depends only on the seed and the step, never on earlier calls."""
        rng = np.random.default_rng((self._seed, step))
        images, shares = zip(*(self._one(rng) for _ in range(self._batch)), strict=True)
        return Lesson(*(torch.from_numpy(np.stack(part))[:, None] for part in (images, shares)))

    def _one(self, rng: np.random.Generator) -> tuple[FloatImage, FloatImage]:
        if rng.random() < self._replay:
            return self._replay_pretraining(rng)
        piece = self._cut(rng)
        share = np.zeros_like(piece)
        if rng.random() < _GOOD:
            return piece, share
        for _ in range(1 + (rng.random() < 0.3)):
            side = min(*piece.shape, _DRAWING)
            top, left = (rng.integers(full - side + 1) for full in piece.shape)
            square = (slice(top, top + side), slice(left, left + side))
            marked, drawn = draw_defect(piece[square], lambda at=square: self._cut(rng)[at], rng)  # type: ignore[misc]
            if np.abs((marked - piece[square]) * (drawn > 0.1)).sum() < 1e-3:
                continue  # the drawn defect is invisible: draw another
            piece[square] = marked
            share[square] = np.maximum(share[square], drawn)
        return piece, share

    def _replay_pretraining(self, rng: np.random.Generator) -> tuple[FloatImage, FloatImage]:
        height, width = self._piece
        empty = bool(rng.random() < _GOOD)
        surface, stroke = draw_surface(pen_stroke(rng), max(self._piece), rng, empty=empty)
        return surface[:height, :width], stroke[:height, :width]

    def _cut(self, rng: np.random.Generator) -> FloatImage:
        """Cut a piece out of a random image; scale, mirroring and brightness vary at random."""
        image = self._read(int(rng.integers(self._count)))
        zoom, stretch = 1.0, 1.0
        if rng.random() < _CLOSER:
            zoom = np.exp(rng.uniform(np.log(0.5), 0))
        if rng.random() < _WIDER:
            zoom = min(2.0, *(full / side for full, side in zip(self._size, self._piece, strict=True)))
        if zoom != 1:
            stretch = np.exp(rng.uniform(-0.15, 0.15))
        height = min(int(self._piece[0] * zoom), self._size[0])
        width = min(int(self._piece[1] * zoom * stretch), self._size[1])
        top, left = rng.integers(self._size[0] - height + 1), rng.integers(self._size[1] - width + 1)
        piece = _grey(image[top : top + height, left : left + width])
        if piece.shape != self._piece:
            piece = functional.interpolate(
                torch.from_numpy(piece)[None, None], self._piece, mode="bilinear", antialias=True
            )[0, 0].numpy()
        piece = piece[:, ::-1] if rng.random() < 0.5 else piece
        piece = piece[::-1] if rng.random() < 0.5 else piece
        light = np.float32(np.exp(rng.uniform(-0.3, 0.3)))
        lit: FloatImage = np.clip(piece * light, 0, 1, dtype=np.float32)
        return np.ascontiguousarray(lit)


def _grey(pixels: NDArray[np.uint16]) -> FloatImage:
    """Return the brightness (H, W) in [0, 1] of a working image (H, W, C)."""
    unit = to_unit(pixels)
    if unit.shape[2] == 1:
        grey: FloatImage = np.ascontiguousarray(unit[..., 0])
        return grey
    mixed: FloatImage = (unit @ np.array(LUMA, dtype=np.float32)).astype(np.float32)
    return mixed
