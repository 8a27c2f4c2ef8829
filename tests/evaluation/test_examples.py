"""The choice of what a report shows."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.evaluation.examples import ScoredImage, choose_examples, outcome
from excision.predictions import Verdict

THRESHOLD = 0.5


def scored(number: int, label: str, score: float) -> ScoredImage:
    return ScoredImage(f"{label}/{number:03d}.png", label, score, "defect" if score > THRESHOLD else "good")


@pytest.mark.parametrize(
    ("label", "verdict", "expected"),
    [
        ("good", "good", "passed good"),
        ("good", "defect", "false alarm"),
        ("pit", "good", "missed defect"),
        ("pit", "defect", "detected defect"),
        (None, "good", "good"),
        (None, "defect", "defect"),
    ],
)
def test_outcome_of_label_and_verdict(label: str | None, verdict: Verdict, expected: str) -> None:
    assert outcome(label, verdict) == expected


def test_worst_come_first_and_places_are_shared() -> None:
    images = [scored(n, label, n / 100) for n in range(100) for label in ("good", "pit")]
    chosen = choose_examples(images, 24)
    assert Counter(image.outcome for image in chosen) == {
        "missed defect": 8, "false alarm": 6, "detected defect": 6, "passed good": 4,
    }  # fmt: skip
    by_outcome = {
        kind: [i.score for i in chosen if i.outcome == kind] for kind in {i.outcome for i in chosen}
    }
    assert by_outcome["missed defect"] == [n / 100 for n in range(8)]
    assert by_outcome["false alarm"] == [n / 100 for n in range(99, 93, -1)]
    assert by_outcome["passed good"] == [0, 0.01, 0.02, 0.03]


def test_empty_places_go_to_others() -> None:
    images = [scored(n, "good", 0.1) for n in range(50)] + [scored(0, "pit", 0.9)]
    assert Counter(image.outcome for image in choose_examples(images, 24)) == {
        "passed good": 23,
        "detected defect": 1,
    }


def test_each_kind_of_defect_has_its_turn() -> None:
    images = [scored(n, "pit", 0.9) for n in range(50)] + [scored(n, "crack", 0.6) for n in range(2)]
    shown = choose_examples(images, 4)
    assert Counter(image.label for image in shown) == {"pit": 2, "crack": 2}


@given(
    st.lists(st.tuples(st.sampled_from(["good", "pit", "crack"]), st.floats(0, 1)), max_size=60),
    st.integers(0, 40),
)
def test_as_many_as_there_are_room_and_images_for_and_none_twice(
    rows: list[tuple[str, float]], limit: int
) -> None:
    images = [scored(n, label, score) for n, (label, score) in enumerate(rows)]
    chosen = choose_examples(images, limit)
    assert len(chosen) == min(limit, len(images))
    assert len({image.name for image in chosen}) == len(chosen)
