"""How rare a part is among good ones, and by which calibration: for the pages, in their language."""

from __future__ import annotations

from excision.method.calibration import rarity as words_of_rarity
from excision.method.calibration.rarity import Basis
from excision.station.models.version import Version
from excision.station.pages.promises import calibration_of
from excision.station.pages.source import Source
from excision.station.pages.strings import Words
from excision.station.store.records import StoredResult


def rarity_of(source: Source, result: StoredResult, t: Words) -> str:
    """Say it for a result; empty where its p-value is unknown, or says nothing since the image is unfit."""
    if result.unfit:
        return ""
    version = source.models.holding(result.model, result.model_version)
    return rarity(result.p_value, version, t)


def rarity(p_value: float | None, version: Version | None, t: Words) -> str:
    """Say it for a p-value that a version gave; None where that is not loaded any more."""
    if p_value is None:
        return ""
    calibration = None if version is None else calibration_of(version)
    basis = None if calibration is None else Basis(len(calibration.scores), calibration.count_groups)
    kind, numbers = words_of_rarity.rarity(p_value, basis)
    return t(f"p_value.{kind}", **numbers)
