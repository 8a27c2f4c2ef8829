"""MNIST digits drawn on procedural surfaces: the training images of the surface attention.

A digit stands in for a defect: it is warped until it resembles a hairline crack, a pit or a stain, and it
differs from the surface in brightness, in texture, or in sharpness.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from excision.synthetic.textures import FloatImage, random_texture


class Lesson(NamedTuple):
    """A batch of surfaces, some with a digit.

    Attributes:
        images: (B, 1, S, S) brightness in [0, 1].
        strokes: (B, 1, S, S) in [0, 1], the share of each pixel that belongs to the digit; 0 outside it.
    """

    images: Tensor
    strokes: Tensor


def draw_lesson(
    digits: NDArray[np.uint8],
    batch: int,
    size: int,
    rng: np.random.Generator,
    empty_share: float = 0.15,
) -> Lesson:
    """Draw a batch; the same generator state gives the same batch."""
    chosen = rng.integers(0, len(digits), size=batch)
    images, strokes = zip(
        *(draw_surface(digits[i], size, rng, empty=rng.random() < empty_share) for i in chosen), strict=True
    )
    return Lesson(*(torch.from_numpy(np.stack(part))[:, None] for part in (images, strokes)))


def draw_surface(
    digit: NDArray[np.uint8], size: int, rng: np.random.Generator, *, empty: bool
) -> tuple[FloatImage, FloatImage]:
    """Draw a procedural surface and, unless it is to stay empty, a digit (28, 28) on it.

    Returns:
        Brightness and stroke, each (size, size) in [0, 1].
    """
    surface = random_texture(rng, size)
    stroke = np.zeros((size, size), np.float32) if empty else warp_digit(digit, size, rng)
    marked = surface if empty else mark(surface, stroke, rng)
    image = rng.uniform(0.3, 0.7) + math.exp(rng.uniform(math.log(0.015), math.log(0.15))) * marked
    if rng.random() < 0.3:
        image = np.round(image * 255) / 255  # quantise as an 8-bit camera does
    return image.clip(0, 1).astype(np.float32), stroke


def warp_digit(digit: NDArray[np.uint8], size: int, rng: np.random.Generator) -> FloatImage:
    """Place one digit (28, 28) on a (size, size) field: scaled, stretched, rotated, bent and shifted."""
    height = size * math.exp(rng.uniform(math.log(0.08), math.log(1.3)))
    stretch = math.exp(rng.uniform(-1.2, 1.2) * rng.random())
    # Half the extent of the digit in pixels of the field, along each of the digit's two axes.
    half = (height / math.sqrt(stretch) / 2, height * math.sqrt(stretch) / 2)
    angle = rng.uniform(-np.pi, np.pi)
    centre = (rng.uniform(0.08, 0.92, size=2) * size).tolist()
    along = np.arange(size, dtype=np.float32)
    bend = smooth_fields(rng, 2, size, 6) * (rng.uniform(0, 0.25) * min(half))
    dy, dx = bend[0] + (along - centre[0])[:, None], bend[1] + (along - centre[1])
    cos, sin = math.cos(angle), math.sin(angle)
    grid = np.empty((1, size, size, 2), dtype=np.float32)
    np.add(cos / half[1] * dx, sin / half[1] * dy, out=grid[0, ..., 0])
    np.subtract(cos / half[0] * dy, sin / half[0] * dx, out=grid[0, ..., 1])
    source = torch.from_numpy(digit.astype(np.float32) / 255)[None, None]
    if min(half) < 14:
        # Blur a digit before it is drawn smaller than its 28 pixels: otherwise its strokes would break up.
        factor = min(6, math.ceil(14 / min(half)))
        source = functional.avg_pool2d(source, factor, stride=1, padding=factor // 2, count_include_pad=False)
    sampled = functional.grid_sample(
        source, torch.from_numpy(grid), padding_mode="zeros", align_corners=False
    )
    stroke: FloatImage = sampled[0, 0].numpy()
    sharpness = math.exp(rng.uniform(0, 1.2))
    placed: FloatImage = (stroke * (sharpness / max(float(stroke.max()), 1e-3))).clip(0, 1)
    return placed


def smooth_fields(rng: np.random.Generator, count: int, size: int, knots: int) -> FloatImage:
    """Interpolate Gaussian noise given at knots x knots points; (count, size, size), standard deviation 1."""
    coarse = torch.from_numpy(rng.standard_normal((count, knots, knots), dtype=np.float32))
    weights = _bicubic(size, knots)
    fields: FloatImage = (weights @ coarse @ weights.T).numpy()
    return fields


@lru_cache(maxsize=32)
def _bicubic(size: int, knots: int) -> Tensor:
    """Return the weight of each knot at each position, (size, knots): what torch computes for every pixel."""
    one_by_one = torch.eye(knots)[None, :, :, None]
    weights = functional.interpolate(one_by_one, size=(size, 1), mode="bicubic", align_corners=True)
    return weights[0, :, :, 0].T.contiguous()


def mark(surface: FloatImage, stroke: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Change the surface under the stroke: most often its brightness, otherwise its texture or sharpness."""
    weight = stroke / max(float(stroke.sum()), 1e-6)
    mean = float((surface * weight).sum())
    deviation = math.sqrt(float((weight * (surface - mean) ** 2).sum())) + 0.05
    kind = rng.choice(3, p=(0.78, 0.14, 0.08))
    contrast = deviation * math.exp(rng.uniform(math.log(0.7), math.log(5))) * float(rng.choice((-1.0, 1.0)))
    if kind == 0:
        brightness: FloatImage = contrast * stroke
        return surface + brightness
    if kind == 1:
        other = random_texture(rng, len(surface))
        replaced = mean + deviation * rng.uniform(0.3, 2.5) * other / (other.std() + 1e-6) + 0.4 * contrast
    else:
        # Most of the texture is lost, as on a smeared or polished spot.
        replaced = mean + 0.25 * (surface - mean) + 0.3 * contrast
    marked: FloatImage = surface + stroke * (replaced - surface)
    return marked
