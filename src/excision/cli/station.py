"""`excision station`: the file that describes a station, its users, and its audit trail."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="station",
    help_epilogue="A file such as `station.toml` describes a station: its models, cameras, signals, shifts "
    "and people, and every option of `excision serve`. Paths are relative to the file.\n\n"
    "```toml\n"
    "[station]\n"
    'name = "press 3"\n'
    'data = "station"\n\n'
    "[models.bracket]\n"
    'folder = "line/bracket"\n\n'
    "[signals]\n"
    'deadline = "500 ms"\n'
    "```\n\n"
    "```\n"
    "excision station check station.toml\n"
    "excision serve --file station.toml\n"
    "excision station user add station costa --role admin\n"
    "excision station audit verify station\n"
    "```",
)
app.command(
    "excision.cli.station_check:app",
    name="check",
    help="Read the file, and ask each camera, broker, PLC and model that it names.",
)
app.command(
    "excision.cli.station_modbus_map:app",
    name="modbus-map",
    help="Print the address of every signal for a PLC.",
)
app.command("excision.cli.station_user:app", name="user", help="Users of a station, and their roles.")
app.command("excision.cli.station_audit:app", name="audit", help="The audit trail: what was changed by whom.")
