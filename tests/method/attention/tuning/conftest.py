"""Tests of the tuning see as much in a step as the product does."""

import pytest


@pytest.fixture(autouse=True)
def _full(full_lessons: None) -> None:
    pass
