"""Pictures and folders to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Path]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Write a small picture below `tmp_path`; each path gets its own noise, or the one value asked for."""

    def write(name: str, value: int | None = None, size: tuple[int, int] = (16, 20), mode: str = "L") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(list(name.encode())).integers(0, 256, size, dtype=np.uint8)
        pixels = noise if value is None else np.full(size, value, np.uint8)
        Image.fromarray(pixels).convert(mode).save(path)
        return path

    return write


@pytest.fixture
def draw_mask(tmp_path: Path) -> Draw:
    """Write a mask below `tmp_path` with a defect in its corner, or an empty one."""

    def write(name: str, empty: bool = False, size: tuple[int, int] = (16, 20)) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros(size, np.uint8)
        pixels[:4, :4] = 0 if empty else 255
        Image.fromarray(pixels).save(path)
        return path

    return write
