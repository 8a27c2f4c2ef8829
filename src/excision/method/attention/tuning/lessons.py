"""Batches for tuning: pieces of normal images, most with a defect drawn on; reproducible by seed and step.

Some images of the pre-training are mixed in, so that the network does not forget it (experience replay;
Robins, "Catastrophic forgetting, rehearsal and pseudorehearsal", 1995).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from excision.method.attention.digits import Lesson, draw_surface
from excision.method.attention.tuning.drawn_defects import draw_defect
from excision.method.attention.tuning.known_defects import KnownLesson, KnownLessons
from excision.method.attention.tuning.pieces import grey, lit, random_window
from excision.method.attention.tuning.strokes import pen_stroke
from excision.settings import ATTENTION_STRIDES
from excision.training.known_defects import KnownDefects

FloatImage = NDArray[np.float32]

PIECE_SIDE = 192
"""Side of a piece in pixels, if the image is that large."""

BATCH_PIXELS = 2**18
"""Pixels in a batch, at least two pieces: 7 pieces of large images."""

_DRAWING = 128  # side in pixels of the square in which a defect is drawn
_GOOD = 0.25  # share of the pieces without a defect
_STRIDE = ATTENTION_STRIDES["surface"]  # sides of pieces are multiples of it, which suits the finer grid too


class LessonSource:
    """Draws batches from the normal images of a product.

    Args:
        count: number of training images.
        read: returns the working image (H, W, C) uint16 of an image by its index.
        size: (H, W) of the working images.
        seed: seed of everything random.
        replay: share of the drawn images that come from the pre-training, 0 to 1.
        known: images of known defects; None if there are none.
    """

    def __init__(
        self,
        count: int,
        read: Callable[[int], NDArray[np.uint16]],
        size: tuple[int, int],
        seed: int,
        replay: float,
        known: KnownDefects | None = None,
    ) -> None:
        self._count = count
        self._read = read
        self._size = size
        self._seed = seed
        self._replay = replay
        self._known = None if known is None else KnownLessons(known, self._cut)
        height, width = (max(_STRIDE, min(side, PIECE_SIDE) // _STRIDE * _STRIDE) for side in size)
        self._piece = (height, width)
        self._batch = max(2, BATCH_PIXELS // (height * width))

    def batch(self, step: int) -> Lesson:
        """Return the batch of a step; it depends only on the seed and the step, never on earlier calls."""
        rng = np.random.default_rng((self._seed, step))
        images, shares = zip(*(self._one(rng) for _ in range(self._batch)), strict=True)
        return Lesson(*(torch.from_numpy(np.stack(part))[:, None] for part in (images, shares)))

    def known(self, step: int) -> KnownLesson | None:
        """Return what a step learns from known defects, likewise; None if there are none."""
        return (
            None if self._known is None else self._known.lesson(np.random.default_rng((self._seed, step, 1)))
        )

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
        window = random_window(rng, self._size, self._piece)
        return lit(window.piece(grey(image[window.rows, window.columns])), rng)
