"""Lessons from real defects, beside those of drawn ones: in pieces of images, or as whole images.

With a mask, the pixels of the defect are the lesson: on its own image, pasted onto a piece of a good image
(Li et al., "CutPaste", CVPR 2021) or blended into it (Pérez et al., "Poisson image editing", 2003). Without a
mask, the whole image is a bag that holds a defect somewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from excision.method.attention.digits import Lesson
from excision.method.attention.networks import AttentionNetwork
from excision.method.attention.pretrain import lesson_loss
from excision.method.attention.tuning.bags import bag_loss, whole_image
from excision.method.attention.tuning.pieces import grey, lit, random_window, resized
from excision.method.attention.tuning.poisson import poisson_blend
from excision.method.attention.tuning.shapes import box_blur
from excision.training.known_defects import KnownDefects, MarkedDefect
from excision.training.micro_batches import MicroBatchLoss

FloatImage = NDArray[np.float32]

_MOST = 0.5  # weight of the loss of known defects where many are known, beside 1 for drawn defects
_HALF = 5  # with so many known defects, half of that weight
_PIECES = 2  # pieces with known defects in a step
_WHOLE = 0.5  # share of the steps with a whole image, if any defect is not marked
_OWN, _PASTED = 0.4, 0.3  # shares that are shown on their own image, and pasted; the others are blended
_FILLED = 0.5  # a piece of which more is defective does not show what a good surface would look like there
_LARGEST = 128  # pixels a side, of a defect that is drawn onto a good piece
_RIM = 2  # pixels around a defect that come with it where it is blended
_TURNED = 0.3  # share of drawn defects that are turned by a multiple of 90 degrees


def known_weight(count: int) -> float:
    """Return the weight of the loss of known defects, beside 1 for the drawn ones.

    It grows with the number of images of known defects and stays below a half, which is a third of the whole:
    drawn defects keep the majority, so that kinds which are not among the known ones are not given up.
    """
    return _MOST * count / (count + _HALF)


class KnownLesson(NamedTuple):
    """What a step learns from known defects, beside the drawn ones.

    Attributes:
        pieces: with known defects; None if no known defect has a mask.
        pieces_weight: of their loss, beside 1 for the drawn defects.
        bag: whole image (1, 1, H, W) with a defect that nobody has marked; None in some steps.
        bag_weight: of its loss.
    """

    pieces: Lesson | None
    pieces_weight: float
    bag: Tensor | None
    bag_weight: float


class KnownLessons:
    """Draws lessons from known defects.

    Args:
        known: at least one image of a known defect.
        piece: returns a piece (H, W) of a good image, brightness in [0, 1].
    """

    def __init__(self, known: KnownDefects, piece: Callable[[np.random.Generator], FloatImage]) -> None:
        self._known = known
        self._piece = piece

    def lesson(self, rng: np.random.Generator) -> KnownLesson:
        """Draw what a step learns."""
        known, pieces, bag = self._known, None, None
        if known.marked:
            images, shares = zip(*(self._draw(rng) for _ in range(_PIECES)), strict=True)
            pieces = Lesson(*(torch.from_numpy(np.stack(part))[:, None] for part in (images, shares)))
        if known.unmarked and rng.random() < _WHOLE:
            index = known.unmarked[int(rng.integers(len(known.unmarked)))]
            bag = whole_image(grey(known.image(index)), rng)
        weight = known_weight(len(known.names)) / len(known.names)
        return KnownLesson(pieces, weight * len(known.marked), bag, weight * len(known.unmarked))

    def _draw(self, rng: np.random.Generator) -> tuple[FloatImage, FloatImage]:
        """Return a piece with a known defect, and the share of each pixel that is defective."""
        marked, piece = self._known.marked, self._piece(rng)
        defect = self._known.defect(marked[int(rng.integers(len(marked)))])
        how = rng.random()
        if how < _OWN:
            shown, share = _own(defect, (piece.shape[0], piece.shape[1]), rng)
            if share.mean() <= _FILLED:
                return shown, share
        return _drawn(defect, piece, rng, blend=not _OWN <= how < _OWN + _PASTED)


def known_losses(network: AttentionNetwork, lesson: KnownLesson) -> list[MicroBatchLoss]:
    """Return the weighted losses of known defects, of pieces and of a bag; their sum is that of the lesson.

    The lesson is moved to the device of the network.
    """
    device = next(network.parameters()).device
    losses: list[MicroBatchLoss] = []
    if lesson.pieces is not None:
        pieces = Lesson(*(part.to(device) for part in lesson.pieces))
        losses.append(lambda: lesson.pieces_weight * lesson_loss(network, pieces))
    if lesson.bag is not None:
        bag = lesson.bag.to(device)
        losses.append(lambda: lesson.bag_weight * bag_loss(network, bag))
    return losses


def _own(
    defect: MarkedDefect, size: tuple[int, int], rng: np.random.Generator
) -> tuple[FloatImage, FloatImage]:
    """Cut a piece out of the image of the defect that shows at least a part of it."""
    y, x = defect.some_pixel(rng)
    window = random_window(rng, defect.marked.shape, size, (y, x))
    share = window.piece(defect.marked[window.rows, window.columns].astype(np.float32))
    piece = window.piece(grey(defect.pixels[window.rows, window.columns]))
    return lit(piece, rng), np.ascontiguousarray(np.clip(2 * share, 0, 1, dtype=np.float32))


def _drawn(
    defect: MarkedDefect, piece: FloatImage, rng: np.random.Generator, *, blend: bool
) -> tuple[FloatImage, FloatImage]:
    """Draw a region of the defect at a random place of a good piece."""
    content, share = _cut_out(defect, min(*piece.shape, _LARGEST), rng)
    height, width = content.shape
    top, left = (
        int(rng.integers(full - side + 1)) for full, side in zip(piece.shape, content.shape, strict=True)
    )
    place = np.s_[top : top + height, left : left + width]
    below = piece[place]
    if blend:
        # A hairline that was reduced fills no pixel by half, and is a lesson all the same.
        near = box_blur((share >= min(0.5, float(share.max()))).astype(np.float32), _RIM) > 0
        marked = poisson_blend(below, content, near)
    else:
        around = 1 - share
        shift = _mean(below, around) - _mean(content, around)
        marked = below + box_blur(share, 1) * (content + shift - below)
    drawn, where = piece.copy(), np.zeros_like(piece)
    drawn[place], where[place] = marked.clip(0, 1), share
    return drawn, where


def _cut_out(defect: MarkedDefect, largest: int, rng: np.random.Generator) -> tuple[FloatImage, FloatImage]:
    """Cut out a marked region with what is around it, at another size, mirrored or turned."""
    rows, columns = defect.some_region(rng, margin=4 * _RIM)
    content, share = grey(defect.pixels[rows, columns]), defect.marked[rows, columns].astype(np.float32)
    zoom = min(float(np.exp(rng.uniform(np.log(0.6), np.log(1.6)))), largest / max(content.shape))
    size = tuple(max(3, int(zoom * side)) for side in content.shape)
    content, share = (resized(plane, (size[0], size[1])) for plane in (content, share))
    contrast = np.float32(np.exp(rng.normal(0, 0.2)))
    content = content.mean() + contrast * (content - content.mean())
    turns = int(rng.integers(1, 4)) if rng.random() < _TURNED else 0
    mirrored = rng.random() < 0.5
    content, share = (np.rot90(plane[:, ::-1] if mirrored else plane, turns) for plane in (content, share))
    return np.ascontiguousarray(content), np.ascontiguousarray(np.clip(2 * share, 0, 1, dtype=np.float32))


def _mean(plane: FloatImage, weight: FloatImage) -> float:
    """Return the weighted mean of (H, W); the plain one if nothing has weight."""
    total = float(weight.sum())
    return float((plane * weight).sum() / total) if total > 0 else float(plane.mean())
