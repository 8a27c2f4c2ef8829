"""What the values of a TIFF file mean does not depend on how they are stored."""

from __future__ import annotations

import itertools
from pathlib import Path

from tests.data.tiff_product import CHOICES, cells, counts

STEP = 397


def test_a_part_of_the_product_with_every_pair_of_choices(tmp_path: Path) -> None:
    found = counts(cells(STEP), tmp_path / "a.tif")
    read, unknown = found.pop("read"), found.pop("no defined meaning")
    assert (read, unknown, found.total()) == (115, 489, 82)


def test_the_part_has_every_pair_of_choices_in_it() -> None:
    product = list(itertools.islice(itertools.product(*CHOICES), 0, None, STEP))
    for first, second in itertools.combinations(range(len(CHOICES)), 2):
        seen = {(cell[first], cell[second]) for cell in product}
        assert len(seen) == len(CHOICES[first]) * len(CHOICES[second])
