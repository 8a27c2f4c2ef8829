"""Putting rows of a station into the tables of a hub: each once, and those that no page could show apart."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from excision.station.hub.messages import ROWS, AnyRow, LabelRow, ResultRow, reason_of
from excision.station.store.sequence import STREAMS, Stream, fingerprint

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import DictRow

_KEY = {"station": "text", "number": "bigint", "fingerprint": "text"}

_WHOLE = ("width", "height", "file_size", "file_mtime_ns", "part")
_REAL = ("time", "threshold", "review_threshold", "score", "defect_area_share", "p_value")

COLUMNS = tuple(name for name in ResultRow.model_fields if name != "id")
"""Of a result, as a station has them."""

_TABLES: dict[Stream, dict[str, str]] = {
    "results": {
        **_KEY,
        "received": "double precision",
        **{
            name: "bigint" if name in _WHOLE else "double precision" if name in _REAL else "text"
            for name in COLUMNS
        },
    },
    "labels": {
        **_KEY,
        "result": "bigint",
        "time": "double precision",
        "who": "text",
        "truth": "text",
        "note": "text",
        "defect_class": "text",
        "withdraws": "bigint",
    },
    "events": {
        **_KEY,
        "time": "double precision",
        "who": "text",
        "model": "text",
        "what": "text",
        "details": "text",
    },
    "parts": {
        **_KEY,
        "time": "double precision",
        "serial": "text",
        "lot": "text",
        "recipe": "text",
        "expected": "text",
        "closed": "double precision",
        "verdict": "text",
        "reason": "text",
    },
}

_REFUSED = {**_KEY, "stream": "text", "received": "double precision", "reason": "text", "content": "text"}


MOST_REFUSED = 10_000
"""Refused rows of a station that are kept; those beyond are counted."""


class _Checked(NamedTuple):
    """A row as it came, its fingerprint, and what it says."""

    raw: Mapping[str, Any]
    mark: str
    row: AnyRow


class Adding:
    """One batch of a station, within a transaction.

    Args:
        connection: in the transaction.
        station: whose rows they are.

    Attributes:
        refused: rows that could not be used and are not known yet.
    """

    def __init__(self, connection: Connection[DictRow], station: str) -> None:
        self._connection, self._station, self._now = connection, station, time.time()
        self.refused = 0
        self._kept: int | None = None

    def add(self, rows: Mapping[Stream, Sequence[Mapping[str, Any]]]) -> int:
        """Add rows, and give how many results are new; what cannot be used is kept as it came."""
        results = 0
        for stream in STREAMS:
            checked = self._checked(stream, rows.get(stream, ()))
            if stream == "labels":
                checked = self._of_known_results(checked)
            if stream == "results":
                self._note_models({row.row.model for row in checked if isinstance(row.row, ResultRow)})
            added = self._put_all(stream, checked)
            results += added if stream == "results" else 0
        return results

    def _checked(self, stream: Stream, rows: Iterable[Mapping[str, Any]]) -> list[_Checked]:
        found = []
        for raw in rows:
            try:
                found.append(_Checked(raw, fingerprint(stream, raw), ROWS[stream].model_validate(raw)))
            except ValidationError as error:
                self._refuse(stream, raw, reason_of(error))
            except (KeyError, RecursionError) as error:
                self._refuse(stream, raw, f"{type(error).__name__}: {error}")
        return found

    def _of_known_results(self, labels: list[_Checked]) -> list[_Checked]:
        """Give labels with the number that their result has at the hub."""
        wanted = [row.row for row in labels if isinstance(row.row, LabelRow)]
        rows = self._connection.execute(
            "SELECT id, number, fingerprint FROM results "
            "JOIN unnest(%s::bigint[], %s::text[]) AS wanted (number, fingerprint) "
            "USING (number, fingerprint) "
            "WHERE station = %s",
            ([row.result for row in wanted], [row.result_fingerprint for row in wanted], self._station),
        ).fetchall()
        known = {(row["number"], row["fingerprint"]): row["id"] for row in rows}
        found = []
        for label in labels:
            assert isinstance(label.row, LabelRow)
            result = known.get((label.row.result, label.row.result_fingerprint))
            if result is None:
                self._refuse("labels", label.raw, "the result that it belongs to is not at the hub")
            else:
                found.append(label._replace(row=label.row.model_copy(update={"result": result})))
        return found

    def _note_models(self, models: set[str]) -> None:
        self._insert(
            "models", {"station": "text", "model": "text"}, [(self._station, m) for m in sorted(models)]
        )

    def _put_all(self, stream: Stream, rows: list[_Checked]) -> int:
        import psycopg

        try:
            with self._connection.transaction():
                return self._put(stream, rows)
        except (psycopg.DataError, psycopg.IntegrityError):
            # What the checks let pass must not hold up what comes behind it.
            return sum(self._put_one(stream, row) for row in rows)

    def _put_one(self, stream: Stream, row: _Checked) -> int:
        import psycopg

        try:
            with self._connection.transaction():
                return self._put(stream, [row])
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            self._refuse(stream, row.raw, " ".join(str(error).split()))
            return 0

    def _put(self, stream: Stream, rows: Sequence[_Checked]) -> int:
        columns = _TABLES[stream]
        values = []
        for found in rows:
            known = {
                **found.row.model_dump(),
                "station": self._station,
                "number": found.row.id,
                "fingerprint": found.mark,
                "received": self._now,
            }
            values.append(tuple(known[name] for name in columns))
        return self._insert(stream, columns, values)

    def _refuse(self, stream: Stream, raw: Mapping[str, Any], reason: str) -> None:
        number, content = raw.get("id"), json.dumps(raw)
        known = number if isinstance(number, int) and 0 <= number < 2**63 else 0
        # Whatever it lacks: the same row is kept once.
        mark = hashlib.blake2b(content.encode("ascii"), digest_size=16).hexdigest()
        if self._kept is None:
            counted = "SELECT count(*) AS kept FROM refused WHERE station = %s"
            (found,) = self._connection.execute(counted, (self._station,)).fetchall()
            self._kept = int(found["kept"])
        if self._kept >= MOST_REFUSED:
            self.refused += 1
            return
        row = (self._station, known, mark, stream, self._now, reason[:500], content)
        added = self._insert("refused", _REFUSED, [row])
        self._kept += added
        self.refused += added

    def _insert(self, table: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert rows that are not there yet, and give their number."""
        if not rows:
            return 0
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        names = ", ".join(columns)
        statement = f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"
        return self._connection.execute(
            statement.encode(), [list(each) for each in zip(*rows, strict=True)]
        ).rowcount
