"""Threads that wait fall asleep soon, unless the user has chosen something else."""

from __future__ import annotations

import os

import pytest

from excision.cli import main
from excision.system.waiting import wait_asleep


def test_the_command_line_lets_threads_sleep_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "restored at the end")
    monkeypatch.delenv("GOMP_SPINCOUNT")
    with pytest.raises(SystemExit):
        main(["--version"])
    assert 0 < int(os.environ["GOMP_SPINCOUNT"]) < 100_000


@pytest.mark.parametrize("chosen", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}])
def test_what_the_user_has_chosen_stands(chosen: dict[str, str]) -> None:
    environment = dict(chosen)
    wait_asleep(environment)
    assert environment == chosen
