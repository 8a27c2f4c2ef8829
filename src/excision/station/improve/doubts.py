"""Labels that need a second person: good parts that look defective, and what people disagree on.

A crack that is marked good by mistake would teach the model that cracks are good, and lift the threshold
above every crack. So such a label counts for nothing, neither in training nor for the threshold nor in a
comparison, until a second person says the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from excision.method.suspects import ScoredImage, find_suspects
from excision.station.improve.labelled import LabelledPart
from excision.station.store.records import Truth

_ENOUGH = 20
"""Good scores that show what is usual; with fewer, whatever the model calls defective is doubted."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A label that counts for nothing until a second person confirms it.

    Attributes:
        result: number of the result.
        truth: what the label says.
        who: gave it.
        score: anomaly score by the model in use.
        why: the question to the second person, in a sentence.
    """

    result: int
    truth: Truth
    who: str
    score: float | None
    why: str

    def to_json(self) -> dict[str, Any]:
        """Give it as a record."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read a record."""
        return cls(**content)


def find_doubts(
    parts: Sequence[LabelledPart],
    scores: Mapping[int, float],
    usual: Sequence[float],
    threshold: float,
    originals: Mapping[str, str],
) -> tuple[Doubt, ...]:
    """Find the labels that a second person has to confirm, and nobody has.

    A good part is doubted if its score is out of line with those of the good parts, as `find_suspects` tells
    it for training images: the tail is fitted to the middle of the scores, so that a few defects among them
    do not hide each other. The share of good parts that are doubted without need is about 10 % of the
    doubted ones; where good scores have a heavier tail than an exponential one, it is more.

    Args:
        parts: labelled.
        scores: score of each by the model in use, by the number of its result.
        usual: scores of the good images that set its threshold.
        threshold: decision threshold in use.
        originals: name of each good training image, by the SHA-256 of its file.

    Returns:
        The doubts, of each part one at most, highest score first.
    """
    good = [part for part in parts if part.truth == "good" and part.digest not in originals]
    known = [ScoredImage(f"usual {place}", score, "calibration") for place, score in enumerate(usual)]
    known += [ScoredImage(str(part.result), scores[part.result], "training") for part in good]
    suspects = {each.name for each in find_suspects(known)}
    ranks = sorted((each.score for each in known), reverse=True)
    truths: dict[str, set[Truth]] = {}
    for part in parts:
        truths.setdefault(part.digest, set()).add(part.truth)
    found = []
    for part in parts:
        score = scores.get(part.result)
        why = _unclear(part, truths[part.digest])
        if why is None and part in good and score is not None:
            too_few = len(known) < _ENOUGH and score > threshold
            if str(part.result) in suspects or too_few:
                why = _unusual(part, 1 + sum(other > score for other in ranks), len(ranks))
            elif part.unfit:
                why = f"{part.who} marked it good, and its image is unfit: {'; '.join(part.unfit)}. Sure?"
        # Who confirms both labels of one image confirms nothing.
        if why is not None and (not part.confirmed or len(truths[part.digest]) > 1):
            found.append(Doubt(part.result, part.truth, part.who, score, why))
    return tuple(sorted(found, key=lambda doubt: (-(doubt.score or 0.0), doubt.result)))


def _unusual(part: LabelledPart, rank: int, count: int) -> str:
    which = "the most unusual" if rank == 1 else f"number {rank} of the most unusual"
    return f"{part.who} marked it good, and it is {which} of {count} good parts. Sure?"


def _unclear(part: LabelledPart, truths: set[Truth]) -> str | None:
    if len(truths) > 1:
        return "The same image is labelled good in one result and a defect in another. Which is it?"
    if part.contradicting:
        own, other = ("good", "a defect") if part.truth == "good" else ("a defect", "good")
        names = " and ".join(part.contradicting)
        return f"{part.who} says {own}, {names} said {other}. Sure?"
    return None
