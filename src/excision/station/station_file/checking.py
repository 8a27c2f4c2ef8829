"""A station's file against the world: what is wrong with the file, and what each counterpart says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from excision.errors import CameraError, ExcisionError
from excision.signals.listening import PortTakenError
from excision.station.station_file.file import examine
from excision.station.station_file.running import listens, serving_process
from excision.station.station_file.serving import StationTable
from excision.system.extras import needed_extra


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of one table found.

    Attributes:
        table: its name; empty for the file itself.
        ok: whether it is as it should be.
        message: what was found, or what is wrong and what to do.
    """

    table: str
    ok: bool
    message: str


def check_station(path: Path) -> Iterator[Finding]:
    """Read a station's file, and ask the real counterpart of every table that is right.

    The station may run: its own ports count as they should be. What only one program can use at a time, such
    as a camera, is then named as what the station may hold.

    Raises:
        SettingsError: the file cannot be read, or is not TOML.
    """
    file, faults = examine(path)
    for table, message in faults:
        yield Finding(table, False, message)
    station = file.one(StationTable)
    process = serving_process(None if station is None else station.data)
    for name, table in file.tables.items():
        yield from _check(name, table, process)


def _check(name: str, table: Any, process: int | None) -> Iterator[Finding]:
    ask = getattr(table, "check", None)
    if ask is None:
        yield Finding(name, True, "read; there is nothing to ask")
        return
    try:
        found = ask()
    except PortTakenError as error:
        if process is not None and listens(process, error.port):
            yield Finding(
                name, True, f"{error.host}:{error.port}: the station itself listens here (process {process})"
            )
        else:
            yield Finding(name, False, str(error))
    except CameraError as error:
        held = "" if process is None else f"; the station runs (process {process}) and may hold the camera"
        yield Finding(name, False, f"{error}{held}")
    except ExcisionError as error:
        yield Finding(name, False, str(error))
    except ModuleNotFoundError as error:
        extra = needed_extra(error.name)
        if extra is None:
            raise
        yield Finding(name, False, f'needs {error.name}: pip install "excision[{extra}]"')
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        yield Finding(name, False, f"{where}{error.strerror or error}")
    else:
        for sentence in [found] if isinstance(found, str) else found:
            yield Finding(name, True, sentence)
