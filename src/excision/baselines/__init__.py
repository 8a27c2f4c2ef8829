"""The methods that EAR is compared with, by the names that the command line takes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from excision.errors import SettingsError

if TYPE_CHECKING:
    from excision.baselines.base import Baseline

BASELINES: dict[str, tuple[str, str]] = {
    "ae": ("excision.baselines.reconstruction", "Autoencoder"),
    "unet": ("excision.baselines.reconstruction", "PlainUNet"),
    "unet-no-skips": ("excision.baselines.reconstruction", "SkiplessUNet"),
    "riad": ("excision.baselines.riad", "Riad"),
    "draem": ("excision.baselines.draem", "Draem"),
    "patchcore": ("excision.baselines.patchcore", "PatchCore"),
    "padim": ("excision.baselines.padim", "PaDiM"),
}
"""Module and class of each baseline; imported when asked for."""


def baseline(name: str) -> type[Baseline]:
    """Return a baseline's class by its name.

    Raises:
        SettingsError: there is no such baseline.
    """
    if name not in BASELINES:
        raise SettingsError(f'"{name}" is no method to compare with: choose from ear, {", ".join(BASELINES)}')
    module, kind = BASELINES[name]
    found: type[Baseline] = getattr(import_module(module), kind)
    return found
