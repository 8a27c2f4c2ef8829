"""The drawn parts of the harder data sets: screws in any rotation, and parts that vary by themselves."""

from __future__ import annotations

import runpy
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from excision.method.scoring.alignment import Alignment
from excision.method.scoring.scorer import Scorer
from excision.settings import Settings
from excision.tiling.image_format import ImageFormat

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


@pytest.mark.parametrize("name", ["pliers", "label", "lid"])
def test_each_defect_of_a_part_that_varies_has_a_mask(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    names = runpy.run_path(str(SCRIPT.with_name("drawn_variation.py")))
    good = np.stack([names["varying_part"](np.random.default_rng(seed), name) for seed in range(3)])
    assert good.shape == (3, 256, 256) and good.min() >= 0 and good.max() <= 1
    assert np.abs(good[1:] - good[:1]).max() > 0.3
    for kind in names["TEXTURE"] + names["SHAPE"]:
        # From another seed, pliers are drawn up to a dozen times until a stain lies on them.
        picture, mask = names["defective_part"](np.random.default_rng(4), name, kind)
        again, _ = names["defective_part"](np.random.default_rng(4), name, kind)
        np.testing.assert_array_equal(picture, again)
        assert 0 < mask.mean() < 0.4


def test_pliers_are_aligned_whichever_image_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    draw = runpy.run_path(str(SCRIPT.with_name("drawn_variation.py")))["varying_part"]
    drawn = [draw(np.random.default_rng([5, number]), "pliers").astype(np.float32) for number in range(40)]
    images = [torch.from_numpy(each)[None, None] for each in drawn]
    # From this image the mean image is least sharp, and leaves half of the variance unexplained.
    ordered = images[27:] + images[:27]
    scorer = Scorer(Settings(), ImageFormat((256, 256), 1))
    scorer.learn_features(partial(iter, ordered), [number % 5 for number in range(40)])
    assert isinstance(scorer.alignment, Alignment)
