"""A short form of the trial in which the service is killed under load: `test_service_end` kills it again."""

from __future__ import annotations

from pathlib import Path

from tests import nursery

ROOT = Path(__file__).parents[2]


def test_what_the_service_answered_survives_kills(line: Path, parts: Path) -> None:
    told = nursery.printed(ROOT / "experiments" / "kill_service.py", line, parts / "test", "--kills", 1)
    assert "| service | 1 |" in told
