"""Random procedural textures, which the attention must learn to ignore.

Unlike `excision.synthetic.surfaces`, which imitates three materials, this module draws from a family that is
as wide as possible: fractal, brushed, grainy, woven and repeating textures, with shading and part edges on
top. A texture depends on the given generator only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]


def random_texture(rng: np.random.Generator, size: int) -> FloatImage:
    """Draw one texture.

    Returns:
        (size, size) float32 with zero mean and unit standard deviation before structure is added; no fixed
        range.
    """
    texture = _draw_base(rng, size)
    if rng.random() < 0.4:
        texture = _standardise(texture + rng.uniform(0.2, 1.0) * _draw_base(rng, size))
    if rng.random() < 0.5:
        texture = texture * _slow_gain(rng, size)
    if rng.random() < 0.6:
        texture = texture + rng.uniform(0.3, 3.0) * _shading(rng, size)
    if rng.random() < 0.25:
        texture = texture + _part_edges(rng, size)
    return texture.astype(np.float32)


def _draw_base(rng: np.random.Generator, size: int) -> FloatImage:
    kinds = (_fractal, _brushed, _grain, _weave, _blotches, _lattice)
    kind = rng.choice(len(kinds), p=(0.28, 0.2, 0.22, 0.14, 0.1, 0.06))
    return _standardise(kinds[kind](rng, size))


def _standardise(texture: NDArray[np.floating]) -> FloatImage:
    centred = texture - texture.mean()
    unit: FloatImage = (centred / (centred.std() + 1e-6)).astype(np.float32)
    return unit


def _spectrum_noise(rng: np.random.Generator, size: int, slope: float, stretch: float) -> FloatImage:
    """Noise with amplitude 1/f^slope, stretched along a random direction by `stretch`."""
    angle = rng.uniform(0, np.pi)
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    along = np.cos(angle) * fx + np.sin(angle) * fy
    across = -np.sin(angle) * fx + np.cos(angle) * fy
    radius = np.hypot(along * stretch, across)
    amplitude = 1.0 / np.maximum(radius, 1.0 / size) ** slope
    amplitude[0, 0] = 0.0
    noise = np.fft.rfft2(rng.standard_normal((size, size), dtype=np.float32))
    field: FloatImage = np.fft.irfft2(noise * amplitude, s=(size, size)).astype(np.float32)
    return field


def _fractal(rng: np.random.Generator, size: int) -> FloatImage:
    return _spectrum_noise(rng, size, slope=rng.uniform(0.2, 2.0), stretch=rng.uniform(1, 2))


def _brushed(rng: np.random.Generator, size: int) -> FloatImage:
    return _spectrum_noise(rng, size, slope=rng.uniform(0.3, 1.6), stretch=np.exp(rng.uniform(1.0, 3.5)))


def _grain(rng: np.random.Generator, size: int) -> FloatImage:
    """Band-limited grain, in part skewed into bright or dark specks."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    centre = np.exp(rng.uniform(np.log(0.03), np.log(0.45)))
    band = np.exp(-0.5 * ((np.hypot(fx, fy) - centre) / (centre * rng.uniform(0.2, 0.8))) ** 2)
    noise = np.fft.rfft2(rng.standard_normal((size, size), dtype=np.float32))
    grain = _standardise(np.fft.irfft2(noise * band, s=(size, size)))
    if rng.random() < 0.5:
        grain = np.exp(rng.uniform(0.3, 1.0) * rng.choice((-1.0, 1.0)) * grain).astype(np.float32)
    return grain


def _weave(rng: np.random.Generator, size: int) -> FloatImage:
    """Two crossing families of threads over and under each other, with uneven thread positions."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(3), np.log(16)))
    jitter = _spectrum_noise(rng, size, slope=1.6, stretch=1.0)
    jitter = rng.uniform(0, 0.5) * _standardise(jitter)
    u = 2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period + jitter
    v = 2 * np.pi * (np.cos(angle) * y - np.sin(angle) * x) / (period * rng.uniform(0.7, 1.4)) + jitter
    over = np.sin((u + v) / 2) * np.sin((u - v) / 2)
    weave = np.where(over > 0, np.abs(np.sin(u)), np.abs(np.sin(v))) ** rng.uniform(0.5, 2)
    return _standardise(weave) + rng.uniform(0.1, 0.8) * rng.standard_normal((size, size), dtype=np.float32)


def _blotches(rng: np.random.Generator, size: int) -> FloatImage:
    """Flat patches of a few brightness levels, as in cast or mottled surfaces, under fine noise."""
    field = _standardise(_spectrum_noise(rng, size, slope=rng.uniform(1.0, 1.8), stretch=rng.uniform(1, 3)))
    steps = np.tanh(rng.uniform(2, 8) * np.sin(field * rng.uniform(1, 3)))
    noise = rng.standard_normal((size, size), dtype=np.float32)
    return _standardise(steps) + rng.uniform(0.2, 1.5) * noise


def _lattice(rng: np.random.Generator, size: int) -> FloatImage:
    """Evenly repeated small shapes: holes, dots or ribs that belong to the part."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    period = np.exp(rng.uniform(np.log(6), np.log(32)))
    angle = rng.uniform(0, np.pi)
    u = np.cos(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period + rng.uniform(0, 6.3))
    v = np.cos(2 * np.pi * (np.cos(angle) * y - np.sin(angle) * x) / period + rng.uniform(0, 6.3))
    shape = u if rng.random() < 0.4 else u + v
    spots = np.tanh(rng.uniform(1, 6) * (shape - rng.uniform(-0.5, 1.2)))
    return _standardise(spots) + rng.uniform(0.1, 1.0) * rng.standard_normal((size, size), dtype=np.float32)


def _slow_gain(rng: np.random.Generator, size: int) -> FloatImage:
    """Texture whose strength varies across the image."""
    gain: FloatImage = np.exp(rng.uniform(0.1, 0.5) * _standardise(_spectrum_noise(rng, size, 2.2, 1.0)))
    return gain


def _shading(rng: np.random.Generator, size: int) -> FloatImage:
    """Uneven light: a plane, a bowl, or both."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    centre = rng.uniform(-1.2, 1.2, size=2)
    bowl = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    plane = rng.uniform(-1, 1) * y + rng.uniform(-1, 1) * x
    return _standardise(plane + rng.uniform(-1, 1) * bowl)


def _part_edges(rng: np.random.Generator, size: int) -> FloatImage:
    """Straight steps in brightness across the whole image: edges of parts, which are not defects.

    Lines are left out on purpose: a network that has learnt grooves as normal takes hairline cracks for
    grooves.
    """
    y, x = np.mgrid[:size, :size].astype(np.float32)
    edges = np.zeros((size, size), dtype=np.float32)
    angle = rng.uniform(0, np.pi)
    for _ in range(rng.integers(1, 3)):
        angle = angle + rng.choice((0.0, np.pi / 2)) + rng.normal(0, 0.02)
        offset = rng.uniform(0, size)
        distance = np.cos(angle) * (x - size / 2) + np.sin(angle) * (y - size / 2) + size / 2 - offset
        softness = np.exp(rng.uniform(np.log(0.4), np.log(4)))
        edges += rng.uniform(-5, 5) * np.tanh(distance / softness)
    return edges
