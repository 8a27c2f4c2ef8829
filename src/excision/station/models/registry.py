"""The models of a station by name: the current version, the previous one, and how they change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from excision.errors import ModelError, SettingsError
from excision.inspection.fingerprint import fingerprint
from excision.registry.address import Address, is_address
from excision.registry.registry import local_version
from excision.runtime.model_folder import Description, is_exported
from excision.runtime.trial import try_out
from excision.station.models.live import Live
from excision.station.models.version import ReviewThreshold, Version, check_name, load_version, model_files
from excision.station.store.store import Store

LOADED, ROLLED_BACK, THRESHOLDS, WENT_LIVE = "loaded", "rolled back", "thresholds", "went live"
"""Events in the history of a model."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The versions of one model.

    Attributes:
        current: version in use.
        previous: version before it, kept loaded so that a rollback takes no time; None if there is none.
    """

    current: Version
    previous: Version | None = None


class ModelRegistry:
    """Models by name; reading never waits, and changes come one at a time.

    Args:
        folders: of each model, by name.
        store: keeps the history.
        below: folder whose sub-folders may be loaded by their name; None allows none.
        threads: of one inspection.
        live: knows the models that went live at the station itself; None for no such models.
        workers: inspections at the same time.

    Raises:
        ModelError: a folder holds no model, or it does not say what it should.
        SettingsError: a name is not valid, or there is no model and none can be made here.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        store: Store,
        below: Path | None = None,
        threads: int | None = None,
        live: Live | None = None,
        workers: int = 1,
    ) -> None:
        if not folders and live is None:
            raise SettingsError("a station needs at least one model")
        self._store = store
        self._below = below
        self._threads, self._workers = threads, workers
        self._changing = threading.Lock()
        self._live = live
        self._given = dict(folders)
        self._slots: dict[str, Slot] = {}
        chosen, before = (dict(folders), {}) if live is None else live.folders(folders)
        for name, folder in chosen.items():
            version = self._settled(check_name(name), self._load(folder))
            previous = self._settled(name, self._load(before[name])) if name in before else None
            self._slots[name] = Slot(version, previous)
            self._note(name, LOADED, version, who="start")

    @property
    def names(self) -> list[str]:
        """Names of the models, in the order they were given."""
        return list(self._slots)

    @property
    def default(self) -> str:
        """Name of the model that inspects where none is asked for: the first.

        Raises:
            SettingsError: there is no model yet.
        """
        if not self._slots:
            raise SettingsError("this station has no model yet: make one on the page New model")
        return next(iter(self._slots))

    def slot(self, name: str) -> Slot:
        """Give the versions of a model.

        Raises:
            KeyError: there is no such model.
        """
        return self._slots[name]

    def current(self, name: str) -> Version:
        """Give the version that inspects now.

        Raises:
            KeyError: there is no such model.
        """
        return self._slots[name].current

    def holding(self, name: str, version: str) -> Version | None:
        """Give a loaded version with the weights of that one, with whichever thresholds, or None."""
        slot = self._slots.get(name)
        for candidate in (slot.current, slot.previous) if slot is not None else ():
            if candidate is not None and candidate.weights_id == version.partition(".")[0]:
                return candidate
        return None

    def load(self, name: str, folder: str, who: str = "") -> Slot:
        """Load a folder by its name and use it after it has passed the check on its golden images.

        Args:
            name: of the model.
            folder: name of a folder that lies directly in the folder of models; never a path.
            who: asks for it.

        Raises:
            KeyError: there is no such model.
            ModelError: it holds no model, or one that does not say what it should; the old one stays.
            SettingsError: it is no name, or the station was given no folder of models.
        """
        return self._take_over(name, lambda _: self._find(folder), who)

    def reload(self, name: str, who: str = "") -> Slot:
        """Load a model's own folder again where its content has changed.

        Raises:
            KeyError: there is no such model.
            ModelError: as `load`.
        """
        return self._take_over(name, lambda slot: slot.current.folder, who)

    def go_live(self, name: str, folder: Path, who: str = "", note: str = "") -> Slot:
        """Use a folder that the station made itself, after it has passed the check on its golden images.

        It is live again after a restart, as long as the model is started with the same folder as now.

        Args:
            name: of the model; one that there is not yet is new.
            folder: exported folder.
            who: decided it.
            note: why.

        Raises:
            ModelError: it holds no model, or one that does not say what it should; the old one stays.
            SettingsError: it is no name.
        """
        check_name(name)
        if name in self._slots:
            return self._take_over(name, lambda _: folder, who, WENT_LIVE, note)
        with self._changing:
            try_out(folder, self._threads)
            version = self._settled(name, self._load(folder))
            return self._put(name, WENT_LIVE, version, None, who, note)

    def rollback(self, name: str, who: str = "") -> Slot:
        """Return to the previous version; the current one becomes the previous one.

        Raises:
            KeyError: there is no such model.
            SettingsError: there is no version before.
        """
        with self._changing:
            slot = self._slots[name]
            if slot.previous is None:
                raise SettingsError(f"{name}: there is no earlier version to go back to")
            return self._put(name, ROLLED_BACK, slot.previous, slot.current, who)

    def set_thresholds(
        self, name: str, threshold: float, review_threshold: ReviewThreshold, who: str = "", note: str = ""
    ) -> Slot:
        """Use other thresholds from the next image on; weights and scores stay as they are.

        The previous version has the old thresholds, so `rollback` undoes this.

        Raises:
            KeyError: there is no such model.
            SettingsError: as `Version.with_thresholds`.
        """
        with self._changing:
            slot = self._slots[name]
            version = slot.current.with_thresholds(threshold, review_threshold)
            if version.version == slot.current.version:
                return slot
            return self._put(name, THRESHOLDS, version, slot.current, who, note)

    def _take_over(
        self, name: str, find: Callable[[Slot], Path], who: str, what: str = LOADED, note: str = ""
    ) -> Slot:
        with self._changing:
            slot = self._slots[name]
            folder = find(slot)
            weights_id = fingerprint(folder)
            if is_exported(folder):
                # The golden images are no part of the fingerprint, and may be missing all the same.
                Description.load(folder).check_files(folder)
            if weights_id == slot.current.weights_id:
                return slot
            if is_exported(folder):
                try_out(folder, self._threads)
            loaded = self._load(folder)
            if loaded.weights_id != weights_id:
                raise ModelError(f"{folder}: the model changed while it was loaded; load it again")
            version = self._settled(name, loaded)
            return self._put(name, what, version, slot.current, who, note)

    def _put(
        self, name: str, what: str, current: Version, previous: Version | None, who: str, note: str = ""
    ) -> Slot:
        # The history first: no result may name a version that it does not know.
        self._note(name, what, current, who, note)
        if self._live is not None:
            self._live.note(name, current.folder, current.weights_id, self._given.get(name))
        slot = self._slots[name] = Slot(current, previous)
        return slot

    def _find(self, folder: str) -> Path:
        if self._below is None:
            raise SettingsError("this station was started without --models: it loads no other folder")
        path = self._below / check_name(folder)
        if not path.is_dir():
            raise ModelError(f"there is no model {folder!r} in the station's folder of models")
        if not path.resolve().is_relative_to(self._below.resolve()):
            raise ModelError(f"{folder} is a link that leads out of the station's folder of models")
        for file in model_files(path):
            if not file.resolve().is_relative_to(path.resolve()):
                raise ModelError(f"{folder}/{file.name} is a link that leads out of the model's folder")
        return path

    def _load(self, folder: Path) -> Version:
        return load_version(folder, self._threads, self._workers)

    def _settled(self, name: str, version: Version) -> Version:
        """Give a version the thresholds that a person last set for these weights, if any did."""
        found = thresholds_of(self._store, name, version.weights_id)
        return version if found is None else version.with_thresholds(*found)

    def _note(self, name: str, what: str, version: Version, who: str = "", note: str = "") -> None:
        details = {
            "version": version.version,
            "weights_id": version.weights_id,
            "folder": version.folder.name,
            "threshold": version.threshold,
            "review_threshold": version.review_threshold,
        }
        self._store.note(name, what, {**details, "note": note} if note else details, who)


def thresholds_of(store: Store, name: str, weights_id: str) -> tuple[float, float | None] | None:
    """Give the thresholds that a person last set for a model with these weights; None if nobody did."""
    for event in store.history(name, count=1000):
        details: dict[str, Any] = event["details"]
        # The first release called it the base.
        weights = details.get("weights_id", details.get("base"))
        if weights == weights_id and "threshold" in details:
            return details["threshold"], details["review_threshold"]
    return None


def named_folders(words: list[str]) -> dict[str, Path]:
    """Read models as the command line gives them: `FOLDER`, named like it, or `NAME=FOLDER`.

    A folder may be an address in a registry, such as `models/bracket@production`.

    Raises:
        ModelError: a registry has no such version.
        SettingsError: a name is not valid, or is used twice.
    """
    folders: dict[str, Path] = {}
    for word in words:
        name, equals, folder = word.partition("=")
        place = folder if equals and not Path(word).exists() else word
        path = Path(place)
        if path == Path(word):
            name = path.resolve().name
        if is_address(place):
            name = name if place != word else Address.parse(place).name
            path = local_version(place)
        if check_name(name) in folders:
            raise SettingsError(f"two models are called {name}: name them apart with NAME=FOLDER")
        folders[name] = path
    return folders
