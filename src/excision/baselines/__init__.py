"""The methods that EAR is compared with, by their names on the command line."""

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
    "patchcore-aligned": ("excision.baselines.aligned", "AlignedPatchCore"),
    "padim-aligned": ("excision.baselines.aligned", "AlignedPaDiM"),
}
"""Module and class of each baseline, imported on first use."""


def baseline(name: str) -> type[Baseline]:
    """Return the class of a baseline by its name.

    Raises:
        SettingsError: there is no such baseline.
    """
    if name not in BASELINES:
        known = ", ".join(BASELINES)
        raise SettingsError(f'"{name}" is not a method to compare with: choose from ear, {known}')
    module, kind = BASELINES[name]
    found: type[Baseline] = getattr(import_module(module), kind)
    return found
