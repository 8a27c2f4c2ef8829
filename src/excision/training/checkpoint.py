"""Checkpoints: everything that the next training step depends on, in one safetensors file."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from excision.errors import ModelError
from excision.system.files import write_tensors
from excision.training.adamw import AdamW

_WEIGHTS, _OPTIMISER = "network.", "optimiser."


def save_checkpoint(path: Path, network: nn.Module, optimiser: AdamW, step: int) -> None:
    """Write network, optimiser and number of finished steps atomically."""
    tensors = {_WEIGHTS + name: value for name, value in network.state_dict().items()}
    for index, state in optimiser.state().items():
        tensors |= {f"{_OPTIMISER}{index}.{name}": value for name, value in state.items()}
    write_tensors(path, tensors, {"step": str(step)})


def load_checkpoint(path: Path, network: nn.Module, optimiser: AdamW) -> int:
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
        optimiser.restore(_by_parameter(_under(tensors, _OPTIMISER)))
    except (OSError, SafetensorError, RuntimeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path}: this is not a checkpoint of this training; remove it to train from the start ({error})"
        ) from error
    return step


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _by_parameter(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = value
    return state
