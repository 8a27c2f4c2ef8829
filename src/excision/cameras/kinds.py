"""The kinds of cameras: where the settings of each are."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from excision.cameras.settings import CommonSettings

KINDS: Mapping[str, str] = {
    "folder": "excision.cameras.folder:FolderSettings",
    "basler": "excision.cameras.basler:BaslerSettings",
    "http": "excision.cameras.http:HttpSettings",
    "video": "excision.cameras.video:VideoSettings",
    "genicam": "excision.cameras.genicam:GenicamSettings",
}
"""Class of the settings of each kind, as "module:name"; a table `[cameras.NAME]` with `kind = "KIND"` is read
into it. A table whose name is a kind needs no such key."""


def load_kind(kind: str) -> type[CommonSettings]:
    """Give the class of the settings of a kind."""
    module, _, name = KINDS[kind].partition(":")
    settings: type[CommonSettings] = getattr(import_module(module), name)
    return settings
