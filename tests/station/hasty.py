"""`excision` whose service waits a second or two where the real one waits ten or thirty."""

from __future__ import annotations

import functools

from excision.cli import main
from excision.station.api import limits

limits.ConnectionLimits = functools.partial(  # type: ignore[misc, assignment]  # the command takes it from there
    limits.ConnectionLimits,
    header_seconds=1.0,
    idle_seconds=1,
    body_seconds=1.0,
    request_seconds=4.0,
    write_seconds=1.0,
    rest_seconds=1.0,
    farewell_seconds=1.0,
)

if __name__ == "__main__":
    main()
