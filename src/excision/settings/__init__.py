"""Every setting of a detector: one frozen dataclass per concern, checked on construction, saved as TOML.

The command line mirrors these names (`--mask.fill mosaic`), and a run folder holds them as `settings.toml`.
"""

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
