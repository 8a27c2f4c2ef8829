from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import ndimage

from excision.ops.connected_components import find_regions, find_runs

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24))
EIGHT = np.ones((3, 3))


def label_regions(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Number the regions of a mask (H, W) from 1, in reading order of their first pixel; 0 is outside."""
    runs = find_runs(mask)
    labels = np.zeros(mask.shape, dtype=np.int32)
    labels[mask] = runs.numbers() + 1
    return labels, runs.total


@given(MASKS)
def test_labels_agree_with_scipy(mask: NDArray[np.bool_]) -> None:
    labels, count = label_regions(mask)
    expected, expected_count = ndimage.label(mask, EIGHT)
    assert count == expected_count
    assert ((labels > 0) == mask).all()
    # The same partition: each of our labels meets exactly one of scipy's.
    pairs = {(a, b) for a, b in zip(labels[mask], expected[mask], strict=True)}
    assert len(pairs) == count


@given(MASKS, st.integers(0, 2**32 - 1))
def test_regions_agree_with_scipy(mask: NDArray[np.bool_], seed: int) -> None:
    scores = np.random.default_rng(seed).random(mask.shape, dtype=np.float32)
    found = find_regions(mask, scores)
    labels, count = ndimage.label(mask, EIGHT)
    expected = set()
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels == number
        box = (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        expected.add((box, int(inside.sum()), float(scores[inside].max())))
    assert {(region.box, region.area, region.peak) for region in found} == expected
    assert len(found) == count
    assert [region.peak for region in found] == sorted((r.peak for r in found), reverse=True)


def test_corners_join_and_labels_follow_reading_order() -> None:
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=bool)
    labels, count = label_regions(mask)
    assert count == 3
    assert labels.tolist() == [[1, 0, 0, 2], [0, 1, 0, 0], [0, 0, 0, 3]]


def test_an_empty_mask_has_no_region() -> None:
    labels, count = label_regions(np.zeros((4, 5), dtype=bool))
    assert count == 0
    assert not labels.any()
    assert find_regions(np.zeros((4, 5), dtype=bool)) == []
