"""The short form of the study of a90/95."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from scipy import stats

SCRIPT = Path(__file__).parents[2] / "experiments" / "capability_coverage.py"


def test_the_reported_limit_keeps_its_confidence_although_parts_differ() -> None:
    spec = importlib.util.spec_from_file_location("capability_coverage", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["capability_coverage"] = module
    spec.loader.exec_module(module)
    assert module.true_a90(module.Case(1, 1, 3.0, 0.0)) == pytest.approx(10)
    found = module.cover(module.Case(120, 30, 3.0, 1.0), 20)
    assert found.reported >= stats.binom.ppf(0.001, 20, 0.95) / 20
    assert found.reported >= max(found.likelihood, found.bootstrap)
