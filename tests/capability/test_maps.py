"""The map of the smallest detectable defect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from excision.capability.analysis import analyse_curve
from excision.capability.place_effect import map_places
from excision.report.capability_maps import map_picture, place_sizes, write_maps
from excision.report.capability_page import map_words
from tests.capability.samples import BOX, drawn, sample


def test_a_blind_corner_is_found_and_bright(tmp_path: Path) -> None:
    result = sample(tmp_path)
    for number, one in enumerate(result.maps):
        assert one.prior > 0
        sizes = place_sizes(result, one, BOX)
        good, blind = np.median(sizes[:60, :45]), np.median(sizes[100:, 75:])
        assert 10 < good < 70
        assert blind > 1.5 * good
        assert "Weakest at the lower right" in map_words(result, number)
        picture = map_picture(result, one).astype(float).mean(axis=2)
        assert picture[100:, 75:].mean() > 1.08 * picture[:60, :45].mean()
    assert len(write_maps(tmp_path, result)) == 4
    for one in result.maps:
        values = tifffile.imread(tmp_path / f"map_{one.kind}.tiff")
        assert values == pytest.approx(0.05 * place_sizes(result, one, BOX), nan_ok=True)  # in mm


@pytest.mark.parametrize("groups", [1, 2])
def test_few_groups_of_parts_have_a_map(groups: int) -> None:
    """Fewer than the folds of the cross-validation."""
    records = [replace(one, group=str(place % groups)) for place, one in enumerate(drawn("pit", 0.2, 0))]
    (found,) = map_places(records, [analyse_curve(records, 1.0, 0)], BOX, 0.9)
    assert found.prior >= 0 and len(found.sizes) == found.rows * found.columns


def test_places_that_do_not_matter_give_an_even_map() -> None:
    """Shuffled places: chance must not paint blind spots."""
    even = 0
    for seed in range(8):
        records = drawn("pit", 0.2, seed)
        order = np.random.default_rng(seed).permutation(len(records))
        shuffled = [
            replace(one, down=records[place].down, across=records[place].across)
            for one, place in zip(records, order, strict=True)
        ]
        maps = map_places(shuffled, [analyse_curve(shuffled, 1.0, 0)], BOX, 0.9)
        even += all(one.prior == 0 for one in maps)
    assert even >= 6
