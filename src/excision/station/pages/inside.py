"""Whether an address that a form gives lies on this station."""

from __future__ import annotations

import re
from urllib.parse import unquote

_LONGEST = 4000
_INSIDE = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f-\x9f\u2028\u2029]*")


def inside(address: str) -> str:
    """Give an address back if it lies on this station, otherwise that of the first page."""
    read = address
    for _ in range(4):
        # A proxy may decode an address before it passes it on: no reading of it may lead away.
        if len(read) > _LONGEST or not _INSIDE.fullmatch(read.partition("?")[0]):
            return "/"
        further = unquote(read)
        if further == read:
            break
        read = further
    else:
        return "/"
    return address if _INSIDE.fullmatch(address) else "/"
