"""Lessons from real defects: drawn onto good pieces, shown on their own image, and as whole images.

With a mask, the pixels of the defect are the lesson: on its own image, pasted onto a piece of a good image
(Li et al., "CutPaste", CVPR 2021) or blended into it (Pérez et al., "Poisson image editing", 2003). With or
without, the whole image is a bag that holds a defect: its largest attention, inside the mask where there is
one, has to be high, and that of a good image low (multiple-instance learning by the mean of the k largest;
Pang et al., "Explainable deep few-shot anomaly detection with deviation networks", 2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from excision.method.attention.networks import AttentionNetwork
from excision.method.attention.tuning.pieces import grey, lit, random_window, resized
from excision.method.attention.tuning.poisson import poisson_blend
from excision.method.attention.tuning.shapes import box_blur
from excision.settings import ATTENTION_STRIDES
from excision.training.known_defects import KnownDefects, MarkedDefect

FloatImage = NDArray[np.float32]

_MOST = 1 / 3  # share of the defects on the product's pieces that are known ones, however many are known
_HALF = 5  # with so many known defects, half of that share
_OWN, _PASTED = 0.4, 0.3  # shares that are shown on their own image, and pasted; the others are blended
_FILLED = 0.5  # a piece of which more is defective does not show what a good surface would look like there
_LARGEST = 128  # pixels a side, of a defect that is drawn onto a good piece
_RIM = 2  # pixels around a defect that come with it where it is blended
_TURNED = 0.3  # share of drawn defects that are turned by a multiple of 90 degrees
_BAG = 2**20  # pixels of an image that is shown whole; larger ones are reduced
_BAG_WEIGHT = 0.5  # of the loss of each whole image, beside that of the batch
_TOP, _LEAST_TOP = (
    0.005,
    3,
)  # share, and smallest number, of the cells of a whole image whose attention counts
_HALVED = 1 / 3  # share of whole images that are shown at half size
_STRIDE = ATTENTION_STRIDES["surface"]


def known_share(count: int) -> float:
    """Return the share of known defects among the defects on pieces of the product.

    It grows with the number of images of known defects, and stays below a third: most defects are drawn, so
    that kinds which are not among the known ones are not given up.
    """
    return _MOST * count / (count + _HALF)


class Bags(NamedTuple):
    """Two whole images: one with a defect, one without.

    Attributes:
        defective: (1, 1, H, W) brightness in [0, 1].
        inside: (1, 1, H, W) in [0, 1], 1 where the defect may be: everywhere if nobody says where it is.
        good: (1, 1, h, w) brightness in [0, 1].
    """

    defective: Tensor
    inside: Tensor
    good: Tensor


class KnownLessons:
    """Draws lessons from known defects.

    Args:
        known: at least one image of a known defect.
    """

    def __init__(self, known: KnownDefects) -> None:
        self._known = known
        share = known_share(len(known.names))
        self._share = share * len(known.marked) / len(known.names)
        self._whole_share = share

    def due(self, rng: np.random.Generator) -> bool:
        """Tell whether a piece that is to have a defect shows a known one."""
        return bool(rng.random() < self._share)

    def draw(self, piece: FloatImage, rng: np.random.Generator) -> tuple[FloatImage, FloatImage]:
        """Return a piece with a known defect.

        Args:
            piece: (H, W) brightness in [0, 1], of a good image.
            rng: source of everything random.

        Returns:
            Brightness, and share of each pixel that is defective, both (H, W) in [0, 1].
        """
        marked = self._known.marked
        defect = self._known.defect(marked[int(rng.integers(len(marked)))])
        how = rng.random()
        if how < _OWN:
            shown, share = _own(defect, (piece.shape[0], piece.shape[1]), rng)
            if share.mean() <= _FILLED:
                return shown, share
        return _drawn(defect, piece, rng, blend=not _OWN <= how < _OWN + _PASTED)

    def bags(self, rng: np.random.Generator, good: Callable[[], NDArray[np.uint16]]) -> Bags | None:
        """Return, now and then, a whole image with a known defect beside a good one.

        Args:
            rng: source of everything random.
            good: returns a good image (H, W, C), with 65535 for 1.
        """
        if rng.random() >= self._whole_share:
            return None
        index = int(rng.integers(len(self._known.names)))
        marked = None
        if index in self._known.marked:
            marked = self._known.defect(index).marked.astype(np.float32)
        shown, inside = _whole(grey(self._known.image(index)), marked, rng)
        return Bags(shown, inside, _whole(grey(good()), None, rng)[0])


def bag_loss(network: AttentionNetwork, bags: Bags) -> Tensor:
    """Cross-entropy of the largest attention: high where an image shows a defect, low in a good image."""
    defective, good = (_logits(network, image) for image in (bags.defective, bags.good))
    inside = functional.max_pool2d(bags.inside, network.stride).flatten(1) > 0.5
    high = _largest(defective[inside], defective.numel())
    return _BAG_WEIGHT * (functional.softplus(-high) + functional.softplus(_largest(good[0], good.numel())))


def _logits(network: AttentionNetwork, image: Tensor) -> Tensor:
    return network.locate(image.contiguous(memory_format=torch.channels_last)).flatten(1)


def _largest(logits: Tensor, cells: int) -> Tensor:
    """Return the mean of the largest logits (N,), as many as a share of the cells of the image."""
    count = min(len(logits), max(_LEAST_TOP, math.ceil(_TOP * cells)))
    return logits.topk(count).values.mean()


def _whole(plane: FloatImage, marked: FloatImage | None, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Show a whole image, sometimes at half size, mirrored and under another light, with its mask.

    Args:
        plane: (H, W) brightness in [0, 1].
        marked: (H, W) in [0, 1], 1 on the defect; None if nobody says where it is.
        rng: source of everything random.

    Returns:
        Both (1, 1, h, w), with h and w multiples of the stride; the mask is 1 everywhere if there is none.
    """
    reduction = max(1.0, math.sqrt(plane.size / _BAG))
    if rng.random() < _HALVED and min(plane.shape) >= 16 * _STRIDE:
        reduction = max(reduction, 2.0)
    size = (plane.shape[0] / reduction, plane.shape[1] / reduction)
    height, width = (max(_STRIDE, int(side) // _STRIDE * _STRIDE) for side in size)
    turned = tuple(axis for axis in (0, 1) if rng.random() < 0.5)
    given = np.ones_like(plane) if marked is None else marked
    image, inside = (np.flip(resized(each, (height, width)), turned) for each in (plane, given))
    inside = np.clip(inside / max(float(inside.max()), 1e-6) * 2, 0, 1, dtype=np.float32)
    image, inside = lit(image, rng), np.ascontiguousarray(inside)
    return torch.from_numpy(image)[None, None], torch.from_numpy(inside)[None, None]


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
        near = box_blur((share > 0.5).astype(np.float32), _RIM) > 0
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
