"""Parts that people labelled, as a folder to train with, in a ZIP archive that is never whole in memory."""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from excision.station.station import Station
from excision.station.store.query import Query
from excision.station.store.records import Truth, standing

_CHUNK = 2**18
# ZIP knows no earlier time, but a station whose clock has no battery does.
_EARLIEST = 315_619_200.0  # 2 January 1980
_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def confirmed(station: Station, query: Query, truth: Truth) -> Iterator[bytes]:
    """Give the archive piece by piece: the original bytes of each kept image that is labelled `truth`.

    They lie in `good/`, so that the unpacked folder is one to train on, or in `defect/`, so that it is one of
    known defects, and are called after their result and source. Images are not compressed a second time.

    Args:
        station: whose images.
        query: which results.
        truth: "good" or "defect".
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for result in station.store.walk(query):
            path = station.images.find(result.image)
            said = standing(station.store.labels(result.id))
            if path is None or said is None or said.truth != truth:
                continue
            name = f"{truth}/{result.id:06d}_{_safe(result.source)}{path.suffix}"
            entry = zipfile.ZipInfo(name, time.gmtime(max(result.time, _EARLIEST))[:6])
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while piece := source.read(_CHUNK):
                    target.write(piece)
                    yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """Takes what the archive writes until somebody takes it away; it cannot be sought in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]  # the archive writes bytes alone
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> bytes:
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content


def _safe(source: str) -> str:
    return _ODD.sub("_", Path(source.replace("\\", "/")).stem).strip("._")[:80] or "image"
