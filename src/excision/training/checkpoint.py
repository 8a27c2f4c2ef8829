"""Checkpoints: everything that the next training step depends on, in one safetensors file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from excision.errors import ModelError
from excision.system.files import write_tensors

_WEIGHTS, _OPTIMISER = "network.", "optimiser."


def save_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, step: int) -> None:
    """Write network, optimiser and number of finished steps atomically."""
    tensors = {_WEIGHTS + name: value for name, value in network.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"{_OPTIMISER}{index}.{name}": value for name, value in state.items()}
    write_tensors(path, tensors, {"step": str(step)})


def load_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Restore network and optimiser in place, and return the number of finished steps.

    Raises:
        ModelError: the file is damaged or belongs to another network.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stored:
            step = int(stored.metadata()["step"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  no mapping
        network.load_state_dict(_under(tensors, _WEIGHTS))
        _restore_optimiser(optimiser, _under(tensors, _OPTIMISER))
    except (OSError, SafetensorError, RuntimeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path}: this is not a checkpoint of this training; remove it to train from the start ({error})"
        ) from error
    return step


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load the state of the optimiser, with each tensor in the memory layout of its parameter.

    With another layout, sums would be rounded in a different order, and resumed training would drift from
    uninterrupted training.
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".")
        like = parameters[int(index)]
        restored = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
        state.setdefault(int(index), {})[name] = restored
    content = optimiser.state_dict()
    content["state"] = state
    optimiser.load_state_dict(content)
