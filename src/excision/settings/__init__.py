"""Every setting of a detector: one frozen dataclass per concern, checked on construction, saved as TOML.

The command line mirrors these names (`--mask.fill mosaic`), and a run folder holds them as `settings.toml`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from excision.settings.calibration import CalibrationSettings, OddRule
    from excision.settings.recovery import LossSettings, Normalisation, RecoverySettings
    from excision.settings.scoring import AnomalyMapKind, DistanceKind, EvidenceKind, ScoreSettings
    from excision.settings.sections import (
        ATTENTION_STRIDES,
        AttentionChoice,
        AttentionSettings,
        AttentionVariant,
        Fill,
        ImageSettings,
        MaskSettings,
        Precision,
        TrainingSettings,
    )
    from excision.settings.whole import Settings

__all__ = [
    "ATTENTION_STRIDES",
    "AnomalyMapKind",
    "AttentionChoice",
    "AttentionSettings",
    "AttentionVariant",
    "CalibrationSettings",
    "DistanceKind",
    "EvidenceKind",
    "Fill",
    "ImageSettings",
    "LossSettings",
    "MaskSettings",
    "Normalisation",
    "OddRule",
    "Precision",
    "RecoverySettings",
    "ScoreSettings",
    "Settings",
    "TrainingSettings",
]

_HOMES = {
    **dict.fromkeys(("CalibrationSettings", "OddRule"), "calibration"),
    **dict.fromkeys(("LossSettings", "Normalisation", "RecoverySettings"), "recovery"),
    **dict.fromkeys(("AnomalyMapKind", "DistanceKind", "EvidenceKind", "ScoreSettings"), "scoring"),
    **dict.fromkeys(
        (
            "ATTENTION_STRIDES",
            "AttentionChoice",
            "AttentionSettings",
            "AttentionVariant",
            "Fill",
            "ImageSettings",
            "MaskSettings",
            "Precision",
            "TrainingSettings",
        ),
        "sections",
    ),
    **dict.fromkeys(("Settings",), "whole"),
}
"""The module of this package that holds each name."""


def __getattr__(name: str) -> Any:
    """Import a section on first use: an exported model needs few of them, and each takes time to load."""
    if name not in _HOMES:
        raise AttributeError(f"module 'excision.settings' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"excision.settings.{_HOMES[name]}"), name)
