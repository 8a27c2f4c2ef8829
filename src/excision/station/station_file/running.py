"""Whether the station that a file describes runs on this machine, and which ports it listens at."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from excision.station.lock import SERVICE_LOCK, holder

_LISTENING = "0A"  # state of a socket in /proc/net/tcp


def serving_process(data: Path | None) -> int | None:
    """Give the process that serves a folder of results; None where none does, or this cannot be known."""
    return None if data is None else holder(data, SERVICE_LOCK)


def listens(process: int, port: int) -> bool:
    """Tell whether a process listens at a TCP port, as far as this user may look (Linux)."""
    sockets = {
        words[9]
        for table in ("tcp", "tcp6")
        for words in _lines(Path("/proc/net") / table)
        if len(words) > 9 and words[3] == _LISTENING and int(words[1].rpartition(":")[2], 16) == port
    }
    with suppress(OSError):
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]") in sockets:
                    return True
    return False


def _lines(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text("ascii").splitlines()[1:]]
    except OSError:
        return []
