"""The file of a station, written by tables: cameras that read a folder, a broker, a receiver of webhooks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

KEY = "a key that both sides share"
"""Of a receiver of webhooks; `describe` puts it beside the file."""

Table = Mapping[str, Any]


def describe(folder: Path, tables: Mapping[str, Table | Sequence[Table]]) -> Path:
    """Write `station.toml`, and the key of webhooks beside it.

    Args:
        folder: to write to.
        tables: by name, such as "cameras.front"; a list of tables is an array of them.
    """
    (folder / "key.txt").write_text(KEY, "ascii")
    file = folder / "station.toml"
    file.write_text("".join(_written(name, table) for name, table in tables.items()), "utf-8")
    return file


def folder_camera(pictures: Path, *, loop: bool = False) -> Table:
    return {"kind": "folder", "path": pictures.absolute(), "loop": loop}


def broker(port: int, topic: str) -> Table:
    return {"host": "127.0.0.1", "port": port, "topic": topic}


def webhook(port: int) -> Table:
    return {"url": f"http://127.0.0.1:{port}/", "secret": {"file": "key.txt"}}


def _written(name: str, table: Table | Sequence[Table]) -> str:
    if isinstance(table, Mapping):
        return f"[{name}]\n{_lines(table)}"
    return "".join(f"[[{name}]]\n{_lines(each)}" for each in table)


def _lines(table: Table) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + "}"
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
