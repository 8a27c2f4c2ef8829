"""The class for data pipelines: batches of encoded images, or of paths, give the columns of results."""

from __future__ import annotations

import json

import numpy as np
import pytest

from excision.cluster.batches import BatchInspector
from excision.errors import SettingsError
from excision.runtime import Inspector
from tests.cluster.conftest import FORMAT_1, MODEL

PATHS = [FORMAT_1 / f"{number}.png" for number in range(4)]


def test_batches_have_the_scores_of_single_images() -> None:
    alone = [next(Inspector(MODEL, threads=1).predict([path])) for path in PATHS]
    encoded = BatchInspector(MODEL)(
        {"bytes": [*(p.read_bytes() for p in PATHS), b"x"], "name": list("abcde")}
    )
    named = BatchInspector(MODEL, "uri")({"uri": np.array([*map(str, PATHS), "/gone.png"])})
    assert "bytes" not in encoded and encoded["name"] == list("abcde")
    assert list(named["uri"]) == [*map(str, PATHS), "/gone.png"]
    for found in (encoded, named):
        assert list(found["score"][:4]) == [one.score for one in alone]
        assert list(found["verdict"]) == [*(one.verdict for one in alone), None]
        assert json.loads(found["boxes"][2]) == [list(box) for box in alone[2].boxes]
        assert np.isnan(found["score"][4])
    assert encoded["error"][4].startswith("image: the file is damaged")
    assert named["error"][4] == "/gone.png: no such file"


def test_a_batch_without_images_is_refused() -> None:
    with pytest.raises(SettingsError, match="no column 'bytes'; there are name"):
        BatchInspector(MODEL)({"name": ["a"]})
    hugging = BatchInspector(MODEL, "image")(
        {"image": [{"bytes": PATHS[0].read_bytes(), "path": "0.png"}, {"bytes": None, "path": str(PATHS[0])}]}
    )
    assert hugging["score"][0] == hugging["score"][1] > 0
    nothing = BatchInspector(MODEL)({"bytes": [None]})
    assert (list(nothing["verdict"]), list(nothing["error"])) == ([None], ["there is no image"])
    with pytest.raises(SettingsError, match="holds int: give bytes or text"):
        BatchInspector(MODEL)({"bytes": [5]})
