"""What a station sends to a hub: rows of four streams, each numbered, and how a row is known again.

The numbers of a stream only grow and are never used again, so they are the sequence in which its rows are
sent. A number alone does not tell one row from another once a station was restored from an older copy: it
then gives numbers a second time. The number with the fingerprint of the row does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

Stream = Literal["results", "labels", "events", "parts"]
STREAMS: tuple[Stream, ...] = get_args(Stream)

FORMAT = 2
"""Of what a station sends."""

FORMATS = (1, 2)
"""Those that a hub reads; the first had no parts."""

PATH = "/hub/push"
"""Where a hub takes rows."""

_IDENTIFYING: dict[Stream, tuple[str, ...]] = {
    "results": (
        "time",
        "source",
        "model",
        "model_version",
        "score",
        "verdict",
        "error",
        "file_size",
        "file_mtime_ns",
    ),
    "labels": ("result", "time", "who", "truth", "note"),
    "events": ("time", "who", "model", "what", "details"),
    # A part is sent once it has its verdict, and from then on it stays as it is.
    "parts": ("time", "expected", "closed", "verdict"),
}


class Place(NamedTuple):
    """The last row of a stream that was sent.

    Attributes:
        number: of the row; 0 before the first.
        fingerprint: of the row; empty before the first.
    """

    number: int = 0
    fingerprint: str = ""


Places = dict[Stream, Place]


def fingerprint(stream: Stream, row: Mapping[str, Any]) -> str:
    """Give 32 hexadecimal digits that tell a row from any other of the same number.

    They come from columns that never change, and that every version of the database has.
    """
    values = [row[name] for name in _IDENTIFYING[stream]]
    return hashlib.blake2b(json.dumps(values).encode("ascii"), digest_size=16).hexdigest()
