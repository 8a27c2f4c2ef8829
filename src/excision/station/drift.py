"""Whether the line is still the line: a drift monitor for each model of a station, kept with its results."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from excision.errors import ResultsError, SettingsError
from excision.inspection.drift import SCORE, DriftMonitor, DriftSettings, DriftWarning
from excision.inspection.drift.reference import reference_of, settings_for
from excision.inspection.drift.summary import promise_in_words, standing_in_words, summary
from excision.predictions import Predictor
from excision.station.store.drift_states import Event, Stored, read_state, results_after, write_state
from excision.station.store.query import Query
from excision.station.store.records import StoredResult
from excision.station.store.store import Store

_LOG = logging.getLogger(__name__)

Decision = Literal["accept", "mended", "restart", "undo"]

DRIFT, DECIDED = "drift", "drift: {}"
"""Events in the history of a model: a warning, and what a person decided."""

# Results after which a state is written; those after it are counted again from the file of results.
_UNWRITTEN = 200
_TOGETHER = 500


@dataclass(slots=True)
class _Watched:
    """A monitor, the number of the last result that it counted, and the threshold that flags parts."""

    monitor: DriftMonitor
    last: int
    lowest: float | None = None
    before: str | None = None
    unwritten: int = 0

    def stored(self) -> Stored:
        state = {"last": self.last, "lowest": self.lowest, "monitor": self.monitor.state()}
        return Stored(json.dumps(state, allow_nan=False), self.before)

    @classmethod
    def restored(cls, stored: Stored) -> _Watched:
        try:
            state = json.loads(stored.state)
            last, lowest = int(state["last"]), state["lowest"]
            return cls(
                DriftMonitor.restored(state["monitor"]),
                last,
                None if lowest is None else float(lowest),
                stored.before,
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ResultsError(f"the stored state of the drift monitor is damaged ({error})") from error


class Drift:
    """The drift monitors of a station, one for each model with its weights.

    Results are counted in the order of their numbers. A state is written after every 200 results and with
    every warning; what came after the last state is counted again from the stored results, so a monitor
    continues bit for bit after any end of the process, and no part is lost.

    Args:
        store: results, states and events.
        predictor_of: gives the loaded predictor of a model with these weights, or None.
        warned: is called with the model and each new warning.
        settings: of the monitors.
    """

    def __init__(
        self,
        store: Store,
        predictor_of: Callable[[str, str], Predictor | None],
        warned: Callable[[str, DriftWarning], None] | None = None,
        settings: DriftSettings | None = None,
    ) -> None:
        self._store = store
        self._predictor_of = predictor_of
        self._warned = warned
        self._settings = settings or DriftSettings()
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._seen: dict[tuple[str, str], dict[str, Any]] = {}
        self._lock = threading.RLock()
        self.warnings = 0

    def count(self, results: Sequence[StoredResult]) -> None:
        """Count results that are on disk; whatever fails here, inspecting goes on."""
        with self._lock:
            for model, weights in dict.fromkeys((r.model, _weights(r)) for r in results if r.id):
                mine = [r for r in results if r.id and (r.model, _weights(r)) == (model, weights)]
                try:
                    watched = self._open(model, weights, mine[0].id - 1)
                    self._feed(model, weights, watched, mine)
                except Exception:
                    # The state on disk is whole: the next result counts the missing ones from there.
                    _LOG.exception("the drift monitor of %s could not go on", model)
                    self._watched.pop((model, weights), None)

    def standing(self, model: str, weights: str) -> dict[str, Any]:
        """Give what `summary` does, with `promise` and `standing` in words, and `undo`: whether it can be.

        Raises:
            StoreError: the disk or the file is at fault.
        """
        with self._lock:
            watched = self._open(model, weights, None)
            found = self._seen[model, weights] = {
                **json.loads(json.dumps(summary(watched.monitor))),
                "promise": promise_in_words(watched.monitor),
                "standing": standing_in_words(watched.monitor),
                "undo": watched.before is not None,
            }
            return found

    def glance(self, model: str, weights: str) -> dict[str, Any] | None:
        """Give what `standing` does, or did last, without waiting for a disk or a thread; None if unknown."""
        if self._lock.acquire(blocking=False):
            try:
                if (model, weights) in self._watched:
                    return self.standing(model, weights)
            finally:
                self._lock.release()
        return self._seen.get((model, weights))

    def begin(self, model: str, weights: str) -> None:
        """Count what a killed process left; whatever fails here, inspecting can begin."""
        try:
            self.standing(model, weights)
        except Exception:
            _LOG.exception("the drift monitor of %s could not be read", model)

    def decide(self, model: str, weights: str, decision: Decision, who: str = "", note: str = "") -> None:
        """Note what a person decided about a warning.

        Args:
            model: name.
            weights: `weights_id` of its version.
            decision: "accept" takes what is so now for normal as well; "mended" keeps what was normal;
                "restart" learns anew; "undo" takes back the last of these.
            who: name of the person.
            note: in the person's words.

        Raises:
            SettingsError: there is no warning, or nothing to undo.
            StoreError: the disk or the file is at fault; nothing is changed.
        """
        with self._lock:
            watched = self._open(model, weights, None)
            event = Event(who, DECIDED.format(decision), _told(watched.monitor.warning, weights, note))
            if decision == "undo":
                if watched.before is None:
                    raise SettingsError(f"{model}: there is no decision about drift that could be undone")
                write_state(self._store, model, weights, Stored(watched.before, None), [event])
                self._watched.pop((model, weights), None)
                self._open(model, weights, None)
                return
            if decision != "restart" and watched.monitor.warning is None:
                raise SettingsError(f"{model}: there is no drift warning at present")
            changed = _Watched.restored(watched.stored())
            changed.before = watched.stored().state
            {"accept": changed.monitor.accept, "mended": changed.monitor.mended}.get(
                decision, changed.monitor.restart
            )()
            write_state(self._store, model, weights, changed.stored(), [event])
            self._watched[model, weights] = changed

    def close(self) -> None:
        """Write every state."""
        with self._lock:
            for (model, weights), watched in self._watched.items():
                try:
                    if watched.unwritten:
                        write_state(self._store, model, weights, watched.stored())
                        watched.unwritten = 0
                except Exception as error:
                    # The next start counts what is missing.
                    _LOG.warning("the drift monitor of %s could not be written: %s", model, error)

    def _open(self, model: str, weights: str, last: int | None) -> _Watched:
        """Give a monitor, up to date; a new one begins after the result of number `last`, or the newest."""
        known = self._watched.get((model, weights))
        if known is not None:
            return known
        stored, events = read_state(self._store, model, weights), []
        watched = None
        if stored is not None:
            try:
                watched = _Watched.restored(stored)
            except (ResultsError, SettingsError) as error:
                _LOG.error("%s: %s; it starts anew", model, error)
                events = [Event("", DECIDED.format("restart"), {"weights_id": weights, "note": str(error)})]
        if watched is None:
            newest = self._store.newest(Query(), 1)
            watched = _Watched(
                self._new_monitor(model, weights),
                last if last is not None else newest[0].id if newest else 0,
                # It is written with the first result: who looks on must not need a disk that can be written.
                unwritten=_UNWRITTEN,
            )
            if events:
                write_state(self._store, model, weights, watched.stored(), events)
        while missing := results_after(self._store, model, weights, watched.last, _TOGETHER):
            self._feed(model, weights, watched, missing)
        self._watched[model, weights] = watched
        return watched

    def _feed(self, model: str, weights: str, watched: _Watched, results: Sequence[StoredResult]) -> None:
        for result in results:
            if result.id <= watched.last:
                continue
            watched.last = result.id
            watched.unwritten += 1
            if result.verdict is None:
                continue
            self._follow_threshold(model, weights, watched, result)
            warning = watched.monitor.update(
                result.score,
                result.image_statistics,
                flagged=result.verdict != "good",
                label=f"#{result.id} {result.source}",
            )
            if warning is not None:
                self._tell(model, weights, watched, warning)
        if watched.unwritten >= _UNWRITTEN:
            write_state(self._store, model, weights, watched.stored())
            watched.unwritten = 0

    def _follow_threshold(self, model: str, weights: str, watched: _Watched, result: StoredResult) -> None:
        """Learn scores anew where another threshold flags parts: others are left out of them now."""
        lowest = result.threshold if result.review_threshold is None else result.review_threshold
        if watched.lowest != lowest:
            reference = self._reference(model, weights, lowest)
            if watched.lowest is not None or SCORE in reference:
                watched.monitor.rebase(SCORE, reference.get(SCORE, ()))
            watched.lowest = lowest

    def _new_monitor(self, model: str, weights: str) -> DriftMonitor:
        predictor = self._predictor_of(model, weights)
        settings = self._settings if predictor is None else settings_for(predictor, self._settings)
        return DriftMonitor(settings, self._reference(model, weights, None))

    def _reference(self, model: str, weights: str, lowest: float | None) -> dict[str, list[float]]:
        predictor = self._predictor_of(model, weights)
        if predictor is None:
            return {}
        review = predictor.review_threshold
        own = predictor.threshold if review is None else review
        return dict(reference_of(predictor, own if lowest is None else lowest))

    def _tell(self, model: str, weights: str, watched: _Watched, warning: DriftWarning) -> None:
        _LOG.warning("%s: drift: %s", model, warning.words)
        write_state(
            self._store,
            model,
            weights,
            watched.stored(),
            [Event("", DRIFT, {**_told(warning, weights, warning.words)})],
        )
        watched.unwritten = 0
        self.warnings += 1
        if self._warned is not None:
            self._warned(model, warning)


def _weights(result: StoredResult) -> str:
    return result.model_version.partition(".")[0]


def _told(warning: DriftWarning | None, weights: str, note: str) -> dict[str, Any]:
    told: dict[str, Any] = {"weights_id": weights, "note": note}
    return told if warning is None else {**told, "warning": warning.to_dict()}
