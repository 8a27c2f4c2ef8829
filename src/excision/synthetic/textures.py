"""Random procedural textures, which the attention must learn to ignore.

Unlike `excision.synthetic.surfaces`, which imitates three materials, this module draws from a family that is
as wide as possible: fractal, brushed, grainy, woven and repeating textures, with shading and part edges on
top. A texture depends on the given generator only.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]

# Factors are Python's numbers: one of numpy's in double precision would make a whole plane of it, which takes
# twice the time.


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
    fy, fx = _frequencies(size)
    cos, sin = math.cos(angle), math.sin(angle)
    along, across = (stretch * cos) * fx + (stretch * sin) * fy, cos * fy - sin * fx
    squared = np.maximum(along * along + across * across, 1 / size**2)
    amplitude = squared ** (-slope / 2)
    amplitude[0, 0] = 0.0
    return _filtered_noise(rng, amplitude)


def _filtered_noise(rng: np.random.Generator, amplitude: FloatImage) -> FloatImage:
    """Return white noise (size, size) with its spectrum multiplied by an amplitude (size, size // 2 + 1)."""
    import torch  # its transform takes half the time of numpy's

    size = len(amplitude)
    noise = torch.from_numpy(rng.standard_normal((size, size), dtype=np.float32))
    spectrum = torch.fft.rfft2(noise) * torch.from_numpy(amplitude)
    field: FloatImage = torch.fft.irfft2(spectrum, s=(size, size)).numpy()
    return field


def _frequencies(size: int) -> tuple[FloatImage, FloatImage]:
    """Return the frequencies down, (size, 1), and across, (1, size // 2 + 1), in cycles per pixel."""
    down, across = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    return down.astype(np.float32), across.astype(np.float32)


def _pixels(size: int) -> tuple[FloatImage, FloatImage]:
    """Return the position of each row, (size, 1), and of each column, (1, size), in pixels."""
    along = np.arange(size, dtype=np.float32)
    return along[:, None], along[None, :]


def _fractal(rng: np.random.Generator, size: int) -> FloatImage:
    return _spectrum_noise(rng, size, slope=rng.uniform(0.2, 2.0), stretch=rng.uniform(1, 2))


def _brushed(rng: np.random.Generator, size: int) -> FloatImage:
    return _spectrum_noise(rng, size, slope=rng.uniform(0.3, 1.6), stretch=math.exp(rng.uniform(1.0, 3.5)))


def _grain(rng: np.random.Generator, size: int) -> FloatImage:
    """Band-limited grain, in part skewed into bright or dark specks."""
    fy, fx = _frequencies(size)
    centre = math.exp(rng.uniform(math.log(0.03), math.log(0.45)))
    off = (np.sqrt(fx * fx + fy * fy) - centre) / (centre * rng.uniform(0.2, 0.8))
    grain = _standardise(_filtered_noise(rng, np.exp(-0.5 * off * off)))
    if rng.random() < 0.5:
        grain = np.exp(rng.uniform(0.3, 1.0) * float(rng.choice((-1.0, 1.0))) * grain)
    return grain


def _weave(rng: np.random.Generator, size: int) -> FloatImage:
    """Two crossing families of threads over and under each other, with uneven thread positions."""
    y, x = _pixels(size)
    angle, period = rng.uniform(0, np.pi), math.exp(rng.uniform(math.log(3), math.log(16)))
    jitter = _spectrum_noise(rng, size, slope=1.6, stretch=1.0)
    jitter = rng.uniform(0, 0.5) * _standardise(jitter)
    cos, sin = 2 * np.pi / period * math.cos(angle), 2 * np.pi / period * math.sin(angle)
    u = cos * x + sin * y + jitter
    v = (cos * y - sin * x) / rng.uniform(0.7, 1.4) + jitter
    # sin((u + v) / 2) sin((u - v) / 2) = (cos v - cos u) / 2 says which thread is on top.
    weave = np.abs(np.sin(np.where(np.cos(v) > np.cos(u), u, v))) ** rng.uniform(0.5, 2)
    return _standardise(weave) + rng.uniform(0.1, 0.8) * rng.standard_normal((size, size), dtype=np.float32)


def _blotches(rng: np.random.Generator, size: int) -> FloatImage:
    """Flat patches of a few brightness levels, as in cast or mottled surfaces, under fine noise."""
    field = _standardise(_spectrum_noise(rng, size, slope=rng.uniform(1.0, 1.8), stretch=rng.uniform(1, 3)))
    steps = np.tanh(rng.uniform(2, 8) * np.sin(field * rng.uniform(1, 3)))
    noise = rng.standard_normal((size, size), dtype=np.float32)
    return _standardise(steps) + rng.uniform(0.2, 1.5) * noise


def _lattice(rng: np.random.Generator, size: int) -> FloatImage:
    """Evenly repeated small shapes: holes, dots or ribs that belong to the part."""
    y, x = _pixels(size)
    period = math.exp(rng.uniform(math.log(6), math.log(32)))
    angle = rng.uniform(0, np.pi)
    cos, sin = 2 * np.pi / period * math.cos(angle), 2 * np.pi / period * math.sin(angle)
    u = np.cos(cos * x + sin * y + rng.uniform(0, 6.3))
    v = np.cos(cos * y - sin * x + rng.uniform(0, 6.3))
    shape = u if rng.random() < 0.4 else u + v
    spots = np.tanh(rng.uniform(1, 6) * (shape - rng.uniform(-0.5, 1.2)))
    return _standardise(spots) + rng.uniform(0.1, 1.0) * rng.standard_normal((size, size), dtype=np.float32)


def _slow_gain(rng: np.random.Generator, size: int) -> FloatImage:
    """Texture whose strength varies across the image."""
    gain: FloatImage = np.exp(rng.uniform(0.1, 0.5) * _standardise(_spectrum_noise(rng, size, 2.2, 1.0)))
    return gain


def _shading(rng: np.random.Generator, size: int) -> FloatImage:
    """Uneven light: a plane, a bowl, or both."""
    along = np.linspace(-1, 1, size, dtype=np.float32)
    y, x = along[:, None], along[None, :]
    centre = rng.uniform(-1.2, 1.2, size=2).tolist()
    bowl = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    plane = rng.uniform(-1, 1) * y + rng.uniform(-1, 1) * x
    return _standardise(plane + rng.uniform(-1, 1) * bowl)


def _part_edges(rng: np.random.Generator, size: int) -> FloatImage:
    """Straight steps in brightness across the whole image: edges of parts, which are not defects.

    Lines are left out on purpose: a network that has learnt grooves as normal takes hairline cracks for
    grooves.
    """
    y, x = _pixels(size)
    edges = np.zeros((size, size), dtype=np.float32)
    angle = rng.uniform(0, np.pi)
    for _ in range(rng.integers(1, 3)):
        angle = angle + float(rng.choice((0.0, np.pi / 2))) + rng.normal(0, 0.02)
        offset = rng.uniform(0, size)
        distance = math.cos(angle) * (x - size / 2) + math.sin(angle) * (y - size / 2) + (size / 2 - offset)
        softness = math.exp(rng.uniform(math.log(0.4), math.log(4)))
        edges += rng.uniform(-5, 5) * np.tanh(distance / softness)
    return edges
