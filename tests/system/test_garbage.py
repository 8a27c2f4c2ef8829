"""Searches for garbage are left out for a while, and then as before."""

from __future__ import annotations

import gc

import pytest

from excision.system.garbage import without_searches


def test_searches_go_on_as_before() -> None:
    assert gc.isenabled()
    with pytest.raises(KeyError), without_searches():
        assert not gc.isenabled()
        with without_searches():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()
