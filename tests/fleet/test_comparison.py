"""What a comparison of two fleets calls worse, from scores alone."""

from __future__ import annotations

from pathlib import Path

from excision.fleet.comparison import _decided, _scored
from excision.fleet.measuring import EVALUATION, SCORES
from excision.system.files import write_json


def scored(folder: Path, good: list[str]) -> Path:
    """A model with test images: good ones with these verdicts, and four defects that it detects."""
    verdicts = [*good, *["defect"] * 4]
    images = [
        {
            "name": f"{place}.png",
            "content": str(place),
            "label": "good" if place < len(good) else "hole",
            "group": str(place),
            "score": 0.1 * (place % 7) + 2.0 * (place >= len(good)),
            "verdict": verdict,
        }
        for place, verdict in enumerate(verdicts)
    ]
    write_json(folder / EVALUATION / SCORES, {"threshold": 1.0, "images": images})
    return folder


def test_more_unfit_good_images_are_worse(tmp_path: Path) -> None:
    old = scored(tmp_path / "old", ["good"] * 30)
    new = scored(tmp_path / "new", ["unfit"] * 12 + ["good"] * 18)
    (worse,) = _decided([_scored("a", old, new)])
    assert worse.answer == "worse"
    assert worse.reasons[0].startswith("There were 0 unfit good images and are 12, of 30 images")
    assert _decided([_scored("a", new, old)])[0].answer == "better"
    few = scored(tmp_path / "few", ["unfit"] * 2 + ["good"] * 28)
    assert _decided([_scored("a", old, few)])[0].answer == "no difference shown"


def test_a_false_alarm_that_is_unfit_now_is_no_loss(tmp_path: Path) -> None:
    old = scored(tmp_path / "old", ["defect"] * 12 + ["good"] * 18)
    new = scored(tmp_path / "new", ["unfit"] * 12 + ["good"] * 18)
    assert _decided([_scored("a", old, new)])[0].answer == "no difference shown"
