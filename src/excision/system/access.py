"""Who may read what a station writes: its owner, and on request its group, but never everybody."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

FILE, FOLDER = 0o660, 0o770
"""Modes of new files and folders, from which the umask takes the group's share unless it was asked for."""


def close_to_others(shared: bool) -> None:
    """Have this process write files for their owner alone, or for their group as well.

    Args:
        shared: True lets the group read and write.
    """
    os.umask(0o007 if shared else 0o077)


def open_to_others(paths: Iterable[Path], shared: bool) -> list[str]:
    """Say which of some paths others may read already; nothing is changed about them.

    Args:
        paths: files and folders; those that do not exist are passed over.
        shared: True where the group is meant to.
    """
    forbidden = stat.S_IRWXO if shared else stat.S_IRWXO | stat.S_IRWXG
    said = []
    for path in paths:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & forbidden:
            wanted = f"{mode & ~forbidden:o}"
            who = "everybody" if mode & stat.S_IRWXO else "the group"
            said.append(f"{path}: open to {who} (mode {mode:o}); close it with: chmod {wanted} {path}")
    return said
