"""The warning before a training for which a feature network was asked for that is not used."""

from __future__ import annotations

import warnings

from excision.errors import SettingsError, UnusedFeaturesWarning
from excision.features.choice import EDGES
from excision.settings import Settings
from excision.tiling.image_format import ImageFormat


def warn_if_unused(settings: Settings, image_format: ImageFormat) -> None:
    """Warn if a feature network was asked for and is not used.

    Args:
        settings: of the training.
        image_format: format of its images.

    Warns:
        UnusedFeaturesWarning: no features are compared.

    Raises:
        SettingsError: the attention is that of the network.
    """
    if settings.score.features == EDGES or settings.feature_choice(image_format) is not None:
        return
    message = (
        f"score.features is {settings.score.features!r}, and no features are compared: they count beside the "
        "attention alone, and only if score.feature_distance is on"
    )
    if settings.attention.variant == "dino":
        raise SettingsError(f'{message}. attention.variant "dino" needs them')
    # The caller of the caller: the line that fits a detector.
    warnings.warn(message, UnusedFeaturesWarning, stacklevel=3)
