"""What a fit keeps for the search for suspects: for that search alone, and for the model of that fit."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from excision import Detector
from excision.settings import ScoreSettings
from tests.conftest import draw_surface
from tests.method.recovery.test_training import TINY

COUNT = 20
SETTINGS = replace(TINY, score=ScoreSettings(align=False))


def images(first: int) -> list[NDArray[np.uint8]]:
    """Good images; two of the first show a bright bar."""
    found = [np.array(draw_surface(number)).squeeze() for number in range(first, first + COUNT)]
    if first == 0:
        for number in (3, 11):
            found[number][20:30, 8:36] = 255
    return found


@pytest.mark.filterwarnings("ignore::excision.errors.FewImagesWarning")
def test_what_was_kept_is_of_the_fit_alone(tmp_path: Path) -> None:
    data, groups = images(0), [*map(str, range(COUNT))]
    detector = Detector(SETTINGS, device="cpu").fit(data, groups=groups, for_suspects=True)

    # A copy has no use for the images and their statistics, of which not all can be pickled.
    sent = pickle.dumps(detector.with_thresholds(2 * detector.threshold))
    assert pickle.loads(sent).threshold == 2 * detector.threshold

    # Other light: what the fit learnt is not what the model knows now.
    darker = tmp_path / "darker"
    darker.mkdir()
    for number, image in enumerate(images(COUNT)):
        Image.fromarray(image // 2 + 20).save(darker / f"{number:02}.png")
    detector.recalibrate(darker, groups=groups)
    detector.save(tmp_path / "run")
    found = {each.name: each.score for each, _ in detector.suspects(data, groups=groups)}
    again = Detector.load(tmp_path / "run", device="cpu").suspects(data, groups=groups)
    assert found == {each.name: each.score for each, _ in again} != {}
