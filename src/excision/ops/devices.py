"""The device that networks run on."""

from __future__ import annotations

import torch

from excision.errors import SettingsError


def choose_device(name: str) -> torch.device:
    """Give the device of a name such as "cpu" or "cuda"; "auto" is a GPU where there is one.

    Raises:
        SettingsError: the device is not available.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    # Depending on how torch was built, a missing device raises any of these.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingsError(
            f'the device "{name}" is not available on this machine; use "auto" or "cpu"'
        ) from error
    return device
