"""The screw of the harder data sets, drawn small: a part in any rotation on a dark ground."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "harder_sets.py"


def test_a_screw_is_drawn_in_any_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))  # as for a script that is run
    drawn_screw = runpy.run_path(str(SCRIPT))["drawn_screw"]
    turns = []
    for seed in range(6):
        picture, metal = drawn_screw(np.random.default_rng(seed), 128)
        assert picture.shape == metal.shape == (128, 128)
        assert 0.1 < metal.mean() < 0.3
        assert picture[metal].mean() > 3 * picture[~metal].mean() > 0
        inside = np.argwhere(metal)
        longest = np.linalg.svd(inside - inside.mean(axis=0), full_matrices=False)[2][0]
        turns.append(np.arctan2(*longest) % np.pi)
    assert np.ptp(turns) > 0.5


@pytest.mark.parametrize("slight", [False, True])
def test_a_misshapen_screw_has_a_mask(slight: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    names = runpy.run_path(str(SCRIPT.with_name("drawn_screw.py")))
    extents = {}
    for kind in names["SHAPES"]:
        picture, mask = names["misshapen_screw"](np.random.default_rng(3), kind, slight, side=128)
        again, _ = names["misshapen_screw"](np.random.default_rng(3), kind, slight, side=128)
        np.testing.assert_array_equal(picture, again)
        assert picture.shape == mask.shape == (128, 128) and mask.any()
        extents[kind] = mask.mean()
    assert max(extents.values()) < 0.2
    assert extents["blunt"] < extents["bent"]
