"""Defects drawn on normal images of the product, as varied as possible without knowing the real defects.

They are pen strokes, and regions with content from elsewhere on the product, with another contrast, or with
another brightness. Content from elsewhere follows Li et al., "CutPaste", CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from excision.method.attention.digits import mark, warp_digit
from excision.method.attention.tuning.shapes import box_blur, random_region
from excision.method.attention.tuning.strokes import pen_stroke

FloatImage = NDArray[np.float32]
Elsewhere = Callable[[], FloatImage]

_STROKES = 0.55  # share of the defects that are strokes
_FOREIGN_STROKES = 0.25  # share of the strokes whose content comes from elsewhere
_SEAM = 3  # pixels on either side of a seam that count as defective
_NOISE = 0.004  # brightness, added to standard deviations so that flat surfaces can be marked too


def draw_defect(
    surface: FloatImage, elsewhere: Elsewhere, rng: np.random.Generator
) -> tuple[FloatImage, FloatImage]:
    """Draw one defect.

    Args:
        surface: (S, S) brightness in [0, 1], without defects.
        elsewhere: returns another defect-free piece of the product, (S, S).
        rng: source of everything random.

    Returns:
        The marked surface (S, S) in [0, 1], and the defective share of each pixel (S, S) in [0, 1].
    """
    draw = _stroke if rng.random() < _STROKES else _region
    marked, share = draw(surface, elsewhere, rng)
    return marked.clip(0, 1).astype(np.float32), share.astype(np.float32)


def _stroke(
    surface: FloatImage, elsewhere: Elsewhere, rng: np.random.Generator
) -> tuple[FloatImage, FloatImage]:
    share = warp_digit(pen_stroke(rng), len(surface), rng)
    if rng.random() < _FOREIGN_STROKES:
        foreign = _maybe_turned(elsewhere(), rng, 0.5)
        return surface + rng.uniform(0.5, 1) * share * (foreign - surface), share
    mean, deviation = surface.mean(), surface.std() + _NOISE
    marked: FloatImage = mean + deviation * mark((surface - mean) / deviation, share, rng)
    return marked, share


def _region(
    surface: FloatImage, elsewhere: Elsewhere, rng: np.random.Generator
) -> tuple[FloatImage, FloatImage]:
    region = random_region(rng, len(surface))
    mean, deviation = _statistics(surface, region.share)
    kind = rng.choice(3, p=(0.5, 0.25, 0.25))
    if kind == 0:
        content = _foreign(mean, deviation, region.share, elsewhere, rng)
    elif kind == 1:
        contrast = np.exp(rng.choice((-1, 1)) * rng.uniform(0.3, 1.4))
        content = mean + contrast * (surface - mean) + rng.normal(0, 0.5) * deviation
    else:
        content = surface + rng.choice((-1, 1)) * deviation * np.exp(rng.uniform(np.log(0.5), np.log(4)))
    share = _seam(region.share) if region.seam else region.share
    return surface + region.share * (content - surface), share


def _foreign(
    mean: float, deviation: float, share: FloatImage, elsewhere: Elsewhere, rng: np.random.Generator
) -> FloatImage:
    """Return content from elsewhere.

    Its brightness is most often matched to the new position, so that only the texture gives it away.
    """
    content = _maybe_turned(elsewhere(), rng, 0.3)
    if rng.random() < 0.6:
        own_mean, own_deviation = _statistics(content, share)
        scale = 1.0 if rng.random() < 0.5 else deviation / own_deviation
        content = (content - own_mean) * scale + mean
    if rng.random() < 0.5:
        content = content + rng.normal(0, 0.7) * deviation
    return content


def _maybe_turned(surface: FloatImage, rng: np.random.Generator, share: float) -> FloatImage:
    return np.rot90(surface, int(rng.integers(1, 4))) if rng.random() < share else surface


def _statistics(surface: FloatImage, share: FloatImage) -> tuple[float, float]:
    """Return the weighted mean and standard deviation; surface and weights are (S, S)."""
    weight = share / max(float(share.sum()), 1e-6)
    mean = float((surface * weight).sum())
    return mean, float(np.sqrt((weight * (surface - mean) ** 2).sum())) + _NOISE


def _seam(share: FloatImage) -> FloatImage:
    """Return the border of a region: it cannot be told which of its sides is the foreign one."""
    soft = box_blur(share, _SEAM)
    return ((soft > 0.02) & (soft < 0.98)).astype(np.float32)
