"""One part by one open model: what is begun, what is kept, and what is not tried again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from excision.cluster.job import Ways, inspect_in_parts
from excision.cluster.model import local_model
from excision.cluster.worker import open_job
from excision.errors import ModelError
from tests.cluster.conftest import MODEL, rows_of


def test_only_what_is_inspected_is_begun(pictures: Callable[[int], Path], tmp_path: Path) -> None:
    """Otherwise a process that dies after its last image would be replaced without end."""
    out = tmp_path / "out"
    inspect_in_parts(MODEL, [pictures(5)], out, Ways())
    inspector = open_job(
        {"model": MODEL, "out": str(out), "threads": 1, "device": None, "readers": 1, "budget": 2**20}
    )
    begun: list[int] = []
    inspector.do(0, begins=begun.append, deadly={1: "it died", 3: "it died"})
    assert begun == [0, 2, 4]
    rows = [row.record for row in rows_of(out)]
    assert [(row.error or "").endswith(": it died") for row in rows] == [False, True, False, True, False]
    begun.clear()
    inspector.do(0, begins=begun.append, again=True)  # the two, and the damaged one
    assert begun == [1, 3, 4]
    assert [row.record.verdict for row in rows_of(out)] == ["good", "good", "defect", "defect", None]


def test_a_model_on_a_web_server_is_refused_as_such() -> None:
    with (
        pytest.raises(ModelError, match=r"http://plant/model: a web server lists no folder; copy the model"),
        local_model("http://plant/model"),
    ):
        pass
