"""The kinds of cameras: where the settings of each are."""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "folder": "excision.cameras.folder:FolderSettings",
    "basler": "excision.cameras.basler:BaslerSettings",
    "http": "excision.cameras.http:HttpSettings",
    "video": "excision.cameras.video:VideoSettings",
    "genicam": "excision.cameras.genicam:GenicamSettings",
}
"""Class of the settings of each kind, as "module:name"; a table `[cameras.NAME]` with `kind = "KIND"` is read
into it. A table whose name is a kind needs no such key."""
