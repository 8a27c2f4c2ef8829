"""Lessons from real defects: drawn onto good pieces, shown on their own image, or known by image alone.

With a mask, the pixels of the defect are the lesson: on its own image, pasted onto a piece of a good image
(Li et al., "CutPaste", CVPR 2021) or blended into it (Pérez et al., "Poisson image editing", 2003). Without,
the image is a bag that holds a defect somewhere: its largest attention has to be high (multiple-instance
learning by the mean of the k largest; Pang et al., "Explainable deep few-shot anomaly detection with
deviation networks", 2021).
"""

from __future__ import annotations

import math

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
_BAG = 2**20  # pixels of an image that is a bag; larger ones are reduced
_BAG_WEIGHT = 0.5  # of the loss of a bag, beside that of the batch
_TOP, _LEAST_TOP = 0.005, 3  # share, and smallest number, of the cells of a bag that have to be found
_STRIDE = ATTENTION_STRIDES["surface"]


def known_share(count: int) -> float:
    """Return the share of known defects among the defects on pieces of the product.

    It grows with the number of images of known defects, and stays below a third: most defects are drawn, so
    that kinds which are not among the known ones are not given up.
    """
    return _MOST * count / (count + _HALF)


class KnownLessons:
    """Draws lessons from known defects.

    Args:
        known: at least one image of a known defect.
    """

    def __init__(self, known: KnownDefects) -> None:
        self._known = known
        share = known_share(len(known.names))
        self._share = share * len(known.marked) / len(known.names)
        self._bag_share = share * len(known.unmarked) / len(known.names)

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

    def bag(self, rng: np.random.Generator) -> Tensor | None:
        """Return, now and then, an image (1, 1, H, W) in [0, 1] with a defect that is not marked."""
        if rng.random() >= self._bag_share:
            return None
        unmarked = self._known.unmarked
        plane = grey(self._known.image(unmarked[int(rng.integers(len(unmarked)))]))
        reduction = max(1.0, math.sqrt(plane.size / _BAG))
        if rng.random() < 1 / 3 and min(plane.shape) >= 16 * _STRIDE:
            reduction = max(reduction, 2.0)
        height, width = (max(_STRIDE, int(side / reduction) // _STRIDE * _STRIDE) for side in plane.shape)
        plane = resized(plane, (height, width))
        plane = plane[:, ::-1] if rng.random() < 0.5 else plane
        plane = plane[::-1] if rng.random() < 0.5 else plane
        return torch.from_numpy(lit(plane, rng))[None, None]


def bag_loss(network: AttentionNetwork, bag: Tensor) -> Tensor:
    """Cross-entropy of the largest attention of an image that shows a defect somewhere.

    Args:
        network: gives attention logits.
        bag: (1, 1, H, W) brightness in [0, 1].
    """
    logits = network.locate(bag.contiguous(memory_format=torch.channels_last)).flatten(1)
    count = min(logits.shape[1], max(_LEAST_TOP, math.ceil(_TOP * logits.shape[1])))
    largest = logits.topk(count, dim=1).values.mean(dim=1)
    return _BAG_WEIGHT * functional.softplus(-largest).mean()


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
