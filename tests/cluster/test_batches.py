"""The class for data pipelines: batches of encoded images, or of paths, give the columns of results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from excision.cluster.batches import BatchInspector
from excision.errors import SettingsError
from excision.runtime import Inspector
from tests.cli.conftest import environment
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


PIPELINE = """
import os
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from excision.cluster.batches import BatchInspector
ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=128 * 2**20, log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
images = ray.data.read_binary_files({paths!r}, include_paths=True)
results = images.map_batches(BatchInspector, fn_constructor_args=[{model!r}], concurrency=1, batch_size=2)
for row in sorted(results.take_all(), key=lambda row: row["path"]):
    print(row["verdict"], repr(float(row["score"])))
"""


def test_a_pipeline_of_ray_data() -> None:
    pytest.importorskip("ray")
    script = PIPELINE.format(paths=list(map(str, PATHS)), model=str(MODEL))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    inspector = Inspector(MODEL, threads=1)
    alone = [next(inspector.predict([Path(path)])) for path in PATHS]
    assert done.stdout.splitlines()[-4:] == [f"{one.verdict} {one.score!r}" for one in alone]
