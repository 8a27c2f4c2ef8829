"""The alarms of a station: they stand until a person acknowledges them, also over a restart."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from excision.errors import BusyError, SettingsError, StoreError
from excision.station.alarms.alarm import ACKNOWLEDGED, RAISED, Alarm, Kind, alarm_of
from excision.station.alarms.settings import AlarmSettings
from excision.station.store import trail
from excision.station.store.records import StoredResult, as_text
from excision.station.store.store import Store

_LOG = logging.getLogger(__name__)

_LASTING = 5  # looks that a fault of a camera or signal must outlast: away for a moment is no alarm

_PARTS, _UNUSABLE = "verdict IN ('good', 'review', 'defect')", "TRUE"

Listener = Callable[[tuple[Alarm, ...]], None]
Faults = Callable[[], Mapping[str, str]]


class Alarms:
    """What stands, and what raises it.

    How many defects there were is read from the stored results each time, so that nothing is lost or counted
    twice when the process ends. An alarm that cannot be stored stands in memory, and is stored as soon as
    that is possible. After an alarm was acknowledged, its count begins anew.

    Args:
        store: of the station.
        settings: what raises an alarm; None for nothing.
        fault: gives why nothing can be stored now, or None.
        every: seconds between two looks at faults.
    """

    def __init__(
        self,
        store: Store,
        settings: AlarmSettings | None,
        fault: Callable[[], object | None] = lambda: None,
        every: float = 1.0,
    ) -> None:
        self.settings, self._store, self._fault, self._every = settings, store, fault, every
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        rows = store.rows("SELECT * FROM alarms WHERE acknowledged IS NULL ORDER BY id")
        self._standing = [alarm_of(row) for row in rows]
        self._faulty = False
        self._faults: list[Faults] = []
        self._lasting: Counter[str] = Counter()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
        if settings is not None:
            self._thread.start()

    @property
    def standing(self) -> tuple[Alarm, ...]:
        """Give the alarms that nobody has acknowledged, the oldest first."""
        with self._lock:
            return tuple(self._standing)

    def history(self, count: int = 50) -> list[Alarm]:
        """Give the last alarms that were acknowledged, newest first."""
        rows = self._store.rows(
            "SELECT * FROM alarms WHERE acknowledged IS NOT NULL ORDER BY id DESC LIMIT ?", (count,)
        )
        return [alarm_of(row) for row in rows]

    def listen(self, listener: Listener) -> None:
        """Call something with all alarms that stand: now, and whenever they change, from any thread."""
        with self._lock:
            self._listeners.append(listener)
        self._tell([listener])

    def watch(self, faults: Faults) -> None:
        """Ask at each look for the faults of cameras and signals: what is wrong, by name.

        One that five looks in a row find raises an alarm.
        """
        self._faults.append(faults)

    def count(self, results: Iterable[StoredResult]) -> None:
        """Look whether results that are on disk raise an alarm; whatever fails here, inspecting goes on."""
        if self.settings is None:
            return
        for model in {result.model for result in results}:
            try:
                self._look_back(model, self.settings)
            except Exception:
                _LOG.exception("the alarms of %s could not be looked at", model)

    def drifted(self, model: str, words: str) -> None:
        """Raise the alarm of a drift warning."""
        if self.settings is not None and self.settings.drift:
            self.raise_alarm("drift", model, {"words": words})

    def at_fault(self, what: str, words: str) -> None:
        """Raise the alarm of a camera, a signal, or the station itself.

        Args:
            what: name of the camera or signal; empty for the station.
            words: what is wrong.
        """
        if self.settings is not None and self.settings.faults:
            self.raise_alarm("fault", what, {"words": words})

    def raise_alarm(self, kind: Kind, model: str, details: Mapping[str, Any], after: int = 0) -> None:
        """Raise an alarm, unless the same one stands already."""
        with self._lock:
            if any((alarm.kind, alarm.model) == (kind, model) for alarm in self._standing):
                return
            self._standing.append(self._stored(Alarm(kind, model, dict(details), time.time()), after))
        _LOG.warning("alarm: %s %s %s", kind, model, json.dumps(details))
        self._tell(self._listeners)

    def acknowledge(self, number: int, who: str) -> Alarm:
        """Note that a person knows of an alarm.

        Args:
            number: of the alarm.
            who: name of the person.

        Raises:
            SettingsError: nobody is named, or no such alarm stands.
            StoreError: that cannot be stored.
        """
        who = " ".join(who.split())
        if not who:
            raise SettingsError("give your name: an alarm stands until somebody acknowledges it")
        with self._lock:
            alarm = next((alarm for alarm in self._standing if alarm.id == number), None)
            if alarm is None:
                raise SettingsError(f"no alarm {number} stands: somebody else may have acknowledged it")
            now = time.time()
            with self._store.transaction() as connection:
                connection.execute(
                    "UPDATE alarms SET acknowledged = ?, who = ?, "
                    "after = (SELECT coalesce(max(id), 0) FROM results) WHERE id = ?",
                    (now, as_text(who), number),
                )
                told = {"alarm": number, "kind": alarm.kind}
                trail.append(connection, ACKNOWLEDGED, told, who, alarm.model)
            self._standing.remove(alarm)
        self._tell(self._listeners)
        return Alarm(alarm.kind, alarm.model, alarm.details, alarm.time, alarm.id, now, who)

    def acknowledge_all(self, who: str) -> int:
        """Acknowledge every alarm that stands and is stored; gives how many that were."""
        numbers = [alarm.id for alarm in self.standing if alarm.id is not None]
        for number in numbers:
            self.acknowledge(number, who)
        return len(numbers)

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def _look_back(self, model: str, settings: AlarmSettings) -> None:
        if settings.defects_in_a_row is not None:
            self._judge("defects_in_a_row", model, settings.defects_in_a_row, settings.defects_in_a_row)
        if settings.defects_of is not None:
            self._judge("defects", model, *settings.defects_of)
        if settings.unfit_in_a_row is not None:
            self._judge("unfit_in_a_row", model, settings.unfit_in_a_row, settings.unfit_in_a_row)

    def _judge(self, kind: Kind, model: str, few: int, many: int) -> None:
        """Raise an alarm where so few of the last many results are as its kind says."""
        unusable = kind == "unfit_in_a_row"
        rows = self._store.rows(
            "SELECT id, coalesce(verdict, 'failed') AS verdict FROM results WHERE model = :model "
            f"AND {_UNUSABLE if unusable else _PARTS} AND id > (SELECT coalesce(max(after), 0) FROM alarms "
            "WHERE kind = :kind AND model = :model) ORDER BY id DESC LIMIT :many",
            {"model": as_text(model), "kind": kind, "many": many},
        )
        meant = ("unfit", "failed") if unusable else ("defect",)
        found = sum(row["verdict"] in meant for row in rows)
        if found >= few:
            self.raise_alarm(kind, model, {"found": found, "of": len(rows)}, rows[0]["id"])

    def _stored(self, alarm: Alarm, after: int = 0) -> Alarm:
        """Give an alarm with its number; as it is where it cannot be stored now."""
        details = json.dumps(alarm.details)
        try:
            with self._store.transaction() as connection:
                cursor = connection.execute(
                    "INSERT INTO alarms (time, kind, model, details, after) VALUES (?, ?, ?, ?, ?)",
                    (alarm.time, alarm.kind, as_text(alarm.model), details, after),
                )
                told = {"alarm": cursor.lastrowid, "kind": alarm.kind, **alarm.details}
                trail.append(connection, RAISED, told, model=alarm.model)
        except (StoreError, BusyError):
            return alarm
        return Alarm(alarm.kind, alarm.model, alarm.details, alarm.time, cursor.lastrowid)

    def _run(self) -> None:
        while not self._end.wait(self._every):
            try:
                self._round()
            except Exception:
                _LOG.exception("the alarms could not be looked after")

    def _round(self) -> None:
        """Raise the alarm of a new fault, and store what could not be stored before."""
        fault = self._fault()
        if fault is not None and not self._faulty:
            self.at_fault("", str(fault))
        self._faulty = fault is not None
        self._look_at_faults()
        if fault is not None:
            return
        with self._lock:
            unstored = [alarm for alarm in self._standing if alarm.id is None]
            for alarm in unstored:
                self._standing[self._standing.index(alarm)] = self._stored(alarm)
        if unstored:
            self._tell(self._listeners)

    def _look_at_faults(self) -> None:
        """Raise the alarm of a camera or signal whose fault has lasted; it is raised once."""
        found: dict[str, str] = {}
        for faults in list(self._faults):
            found |= faults()
        self._lasting = Counter({name: self._lasting[name] + 1 for name in found})
        for name, words in found.items():
            if self._lasting[name] == _LASTING:
                self.at_fault(name, words)

    def _tell(self, listeners: Sequence[Listener]) -> None:
        standing = self.standing
        for listener in list(listeners):
            try:
                listener(standing)
            except Exception:
                _LOG.exception("an alarm could not be passed on")
