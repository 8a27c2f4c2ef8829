"""`excision station modbus-map`: the address of every signal for a PLC."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from excision.cli.output import say_table
from excision.cli.output_files import CSV_FILE
from excision.errors import SettingsError

if TYPE_CHECKING:
    from excision.signals.modbus.settings import ModbusSettings

app = App(
    name="modbus-map",
    help_epilogue="Without a file: the default map. An address on the wire counts from 0. The number beside "
    "it is the one that many PLCs show: 10001 is discrete input 0, 40001 holding register 0.\n\n"
    "```\n"
    "excision station modbus-map\n"
    "excision station modbus-map --mode client\n"
    "excision station modbus-map station.toml --csv map.csv\n"
    "```",
)

_FIRST = {"coil": 1, "discrete": 10001, "input": 30001, "holding": 40001}


@app.default
def modbus_map(
    file: Annotated[Path | None, Parameter(help="File that describes the station.")] = None,
    /,
    *,
    mode: Annotated[
        Literal["server", "client"],
        Parameter(help="Without a file: whether the PLC asks the station (server), or the other way round."),
    ] = "server",
    csv: Annotated[
        Path | None, Parameter(help="Also write the table to this file, as CSV."), CSV_FILE
    ] = None,
) -> None:
    """Print where each signal of the handshake lies."""
    from excision.signals.modbus.settings import ModbusSettings

    tables = {"": ModbusSettings(mode=mode)} if file is None else _of(file)
    columns = ("signal", "from", "address", "number", "registers", "meaning")
    rows = []
    for name, table in tables.items():
        made = _rows(table)
        say_table(f"[{name}]" if name else f"default map, mode {mode}", columns, made)
        rows += [(name, *row) for row in made]
    if csv is not None:
        from excision.system.csv_rows import csv_row
        from excision.system.files import write_text

        write_text(csv, "".join(map(csv_row, (("table", *columns), *rows))))


def _of(file: Path) -> Mapping[str, ModbusSettings]:
    from excision.signals.modbus.settings import ModbusSettings
    from excision.station.station_file.file import read_station_file

    tables = read_station_file(file).tables
    found = {name: table for name, table in tables.items() if isinstance(table, ModbusSettings)}
    if not found:
        raise SettingsError(f"{file}: no table [signals.NAME] is of the kind modbus")
    return found


def _rows(settings: ModbusSettings) -> list[tuple[str, ...]]:
    from excision.signals.modbus.addresses import FROM_PLC, MEANINGS, WIDTHS

    return [
        (
            name,
            "PLC" if name in FROM_PLC else "station",
            str(place),
            str(_FIRST[place.table] + place.number),
            str(WIDTHS[name] or "bit"),
            MEANINGS[name],
        )
        for name, place in settings.places.items()
    ]
