"""Tests of the tuning see a quarter of what the product does in a step: sixteen pieces of their images."""

import pytest

from excision.method.attention.tuning import lessons
from tests.small_lessons import FULL


@pytest.fixture(autouse=True)
def _some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "BATCH_PIXELS", FULL // 4)
