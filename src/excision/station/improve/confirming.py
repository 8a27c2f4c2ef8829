"""A second person confirms a label."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from excision.errors import ResultsError, SettingsError
from excision.station.improve.labelled import plain, standing_labels
from excision.station.store.connection import RESULTS
from excision.station.store.records import Label
from excision.station.store.store import Store


def confirm(station: Path, number: int, who: str, now: float) -> Label:
    """Say of a labelled part what another person said.

    Args:
        station: folder of the station, which may be running.
        number: of the result.
        who: confirms it.
        now: seconds since 1970 in UTC.

    Returns:
        The label that is confirmed.

    Raises:
        ResultsError: the result has no label.
        SettingsError: the same person gave the label, or there is no station.
    """
    if not (station / RESULTS).is_file():
        raise SettingsError(f"{station}: holds no {RESULTS}: give the --data folder of `excision serve`")
    with closing(Store(station / RESULTS)) as store:
        return confirm_in(store, number, who, now)


def confirm_in(store: Store, number: int, who: str, now: float) -> Label:
    """Say of a labelled part what another person said.

    Raises:
        ResultsError: the result has no label.
        SettingsError: the same person gave the label, or there is no name.
    """
    labels = standing_labels(store.labels(number))
    if not labels:
        raise ResultsError(f"result {number} has no label to confirm")
    last = labels[-1]
    if not plain(who):
        raise SettingsError("a confirmation needs the name of the person who gives it")
    if plain(last.who) == plain(who):
        raise SettingsError(f"{who} gave this label: a second person has to confirm it")
    store.label(number, Label(last.truth, who, "confirmed", now))
    return last
