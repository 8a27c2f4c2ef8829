"""Options of `excision serve` from the file of a station; what the command line says takes precedence."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App, Argument, ArgumentCollection, Token

FILE = "--file"


def fill(_app: App, _commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Fill in what the command line leaves out, before it is checked as if it stood there.

    Raises:
        SettingsError: the file cannot be read, or something in it is wrong.
    """
    by_name = {name: argument for argument in arguments for name in argument.names}
    given = by_name[FILE].tokens
    if not given:
        return
    from excision.station.station_file.file import read_station_file
    from excision.station.station_file.serving import ModelTable, StationTable

    path = Path(given[-1].value)
    file = read_station_file(path)
    table = file.one(StationTable)
    words = dict(table.words()) if table is not None else {}
    for option, values in words.items():
        _append(by_name, option, values, path)
    models = {name: one for name, one in file.below("models").items() if isinstance(one, ModelTable)}
    _append(by_name, "MODELS", [f"{name}={one.folder}" for name, one in models.items()], path)


def _append(arguments: dict[str, Argument], option: str, values: list[str], path: Path) -> None:
    argument = arguments[option]
    if argument.tokens:
        return
    for index, value in enumerate(values):
        argument.append(Token(keyword=option, value=value, source=str(path), index=index))
