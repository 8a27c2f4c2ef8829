"""Which folder of a model is live, where a person put another one live than the station was started with.

A station is started with folders of models. A challenger that went live lies in the station's own folder;
this file names it, so that it is live again after a restart. It counts only while the model is started with
the same folder as before: whoever deploys another one means that one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from excision.errors import ExcisionError
from excision.inspection.fingerprint import fingerprint
from excision.system.files import write_json
from excision.system.strict_json import read_json

LIVE = "live_models.json"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that is live from the station's own folder.

    Attributes:
        folder: of the model, relative to the station's.
        weights_id: of that folder.
        started_with: `weights_id` of the folder that the station was started with; None for a model that was
            made at the station.
    """

    folder: str
    weights_id: str
    started_with: str | None


class Live:
    """The models that are live from the station's own folder.

    Args:
        station: folder of the station.
    """

    def __init__(self, station: Path) -> None:
        self._station = station
        self._entries = self._read()

    def folders(self, given: Mapping[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
        """Choose the folder of each model.

        Args:
            given: folder that the station was started with, by the model's name.

        Returns:
            Folder of each model; and the folder that a rollback returns to, where another one is live.
        """
        chosen, before = dict(given), {}
        for name, entry in self._entries.items():
            folder = self._station / entry.folder
            if not self._counts(entry, folder, given.get(name)):
                continue
            chosen[name] = folder
            if name in given:
                before[name] = given[name]
        return chosen, before

    def note(self, name: str, folder: Path, weights_id: str, given: Path | None) -> None:
        """Note which folder is live now.

        Args:
            name: of the model.
            folder: that is live.
            weights_id: of it.
            given: folder that the station was started with; None for a model that was made at the station.
        """
        own = folder.resolve().is_relative_to(self._station.resolve())
        before = dict(self._entries)
        if own:
            relative = folder.resolve().relative_to(self._station.resolve()).as_posix()
            with_ = None if given is None else fingerprint(given)
            self._entries[name] = Entry(relative, weights_id, with_)
        else:
            self._entries.pop(name, None)
        if self._entries != before:
            write_json(self._station / LIVE, {name: asdict(each) for name, each in self._entries.items()})

    def _counts(self, entry: Entry, folder: Path, given: Path | None) -> bool:
        try:
            if not folder.resolve().is_relative_to(self._station.resolve()):
                _LOG.error("%s: names a folder outside the station, and counts for nothing", entry.folder)
                return False
            if given is not None and fingerprint(given) != entry.started_with:
                return False
            if fingerprint(folder) == entry.weights_id:
                return True
            _LOG.error("%s: has changed since it went live; the model is started as it was given", folder)
        except (ExcisionError, OSError) as error:
            _LOG.error("%s went live and cannot be used now: %s", folder, error)
        return False

    def _read(self) -> dict[str, Entry]:
        path = self._station / LIVE
        if not path.is_file():
            return {}
        try:
            content: dict[str, Any] = read_json(path)
            return {str(name): Entry(**entry) for name, entry in content.items()}
        except (ExcisionError, TypeError, AttributeError) as error:
            _LOG.error("%s: is damaged, and counts for nothing: %s", path, error)
            return {}
