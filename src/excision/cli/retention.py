"""What the verbs that write a station's folder share: who may read it, and how long images stay."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from excision.station.store.connection import RESULTS
from excision.station.work.retention import Rules, Upkeep
from excision.system.access import close_to_others, open_to_others

_INSIDE = (RESULTS, "images", "incoming", "overlays")


def set_access(folder: Path, shared: bool) -> None:
    """Write files for their owner alone, or for the group as well, and name what others may read already."""
    close_to_others(shared)
    for sentence in open_to_others([folder, *(folder / name for name in _INSIDE)], shared):
        print(f"excision: note: {sentence}", file=sys.stderr)


@contextmanager
def keeping(folder: Path, rules: Rules) -> Iterator[None]:
    """Remove images whose time has come from a folder of results during a block."""
    with closing(Upkeep(folder / RESULTS, rules)):
        yield
