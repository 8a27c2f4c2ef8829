"""Numbers of threads and workers: what is none is refused at once, whatever the backend and the folder."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from excision import load
from excision.errors import SettingsError
from excision.inspection.loading import load_run
from excision.runtime.inspector import Inspector
from tests.runtime.folders import FORMAT_1


@pytest.mark.parametrize("name", ["threads", "workers"])
@pytest.mark.parametrize("count", [0, -1, 1.5, 2.0, Fraction(3, 2), "2", True, float("nan"), [1], b"1"])
def test_what_is_no_count_is_refused_before_anything_is_opened(name: str, count: Any, tmp_path: Path) -> None:
    said = re.escape(f"{name} is {count!r}: it must be a whole number of at least 1")
    given: Any = {name: count}
    with pytest.raises(SettingsError, match=said):
        Inspector(tmp_path / "missing", **given)
    with pytest.raises(SettingsError, match=said):
        load(FORMAT_1 / "exported", **given)
    with pytest.raises(SettingsError, match=said):
        load_run(tmp_path / "missing", **given)


def test_workers_are_never_none(tmp_path: Path) -> None:
    wrong: Any = None
    with pytest.raises(SettingsError, match="workers is None: it must be a whole number"):
        Inspector(tmp_path, workers=wrong)


def test_whole_numbers_of_any_kind_are_counts() -> None:
    some: Any = np.int64(2)
    inspector = Inspector(FORMAT_1 / "exported", threads=some, workers=some)
    assert (inspector.threads, inspector.workers) == (2, 2)
    assert type(inspector.threads) is type(inspector.workers) is int
    plain = Inspector(FORMAT_1 / "exported")
    assert (plain.threads, plain.workers) == (None, 1)
