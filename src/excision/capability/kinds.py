"""The kinds of defects that can be drawn, and how large, wide and dark each is by default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["scratch", "pit", "stain", "crack", "missing", "foreign"]
KINDS: tuple[Kind, ...] = get_args(Kind)

NAMES: dict[Kind, str] = {
    "scratch": "scratch",
    "pit": "pit",
    "stain": "stain",
    "crack": "crack",
    "missing": "missing material",
    "foreign": "foreign material",
}
"""The name of each kind in a sentence."""

SYNONYMS: dict[str, Kind] = {
    "blowhole": "pit",
    "hole": "pit",
    "pitting": "pit",
    "pore": "pit",
    "dent": "pit",
    "spot": "stain",
    "soil": "stain",
    "discolouration": "stain",
    "discoloration": "stain",
    "break": "missing",
    "chip": "missing",
    "hair": "foreign",
    "contamination": "foreign",
}
"""Words for a label or a requirement that stand for a kind."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How a kind looks.

    Attributes:
        line: whether its size is a length along a line; otherwise it is a diameter.
        width: width of a line as a share of its length; of a compact defect, 1.
        bright: share of the drawings that are brighter than their surroundings; the others are darker.
    """

    line: bool
    width: float
    bright: float


HABITS: dict[Kind, Habit] = {
    "scratch": Habit(line=True, width=1 / 16, bright=0.5),
    "pit": Habit(line=False, width=1.0, bright=0.0),
    "stain": Habit(line=False, width=1.0, bright=0.3),
    "crack": Habit(line=True, width=1 / 25, bright=0.0),
    "missing": Habit(line=False, width=1.0, bright=0.0),
    "foreign": Habit(line=False, width=1.0, bright=0.5),
}

LEAST_WIDTH = 1.0
"""Pixels that a line is wide at least, unless a requirement states its width."""


def kind_of(label: str) -> Kind | None:
    """Give the kind that a word or a label names, such as "MT_Crack"; None if it names none."""
    text = label.lower()
    found = [kind for kind in KINDS if kind in text]
    return found[0] if found else next((kind for word, kind in SYNONYMS.items() if word in text), None)


def usual_width(kind: Kind, size: float) -> float:
    """Give the width in pixels of a defect of a kind whose length or diameter is `size` pixels."""
    habit = HABITS[kind]
    return max(LEAST_WIDTH, habit.width * size) if habit.line else size
