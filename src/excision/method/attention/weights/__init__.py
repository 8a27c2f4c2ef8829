"""The shipped attention weights, and functions that write and read such weights.

Beside each `<variant>.safetensors` is `<variant>.json`: the steps, seed and results of the run of
`excision attention pretrain` that produced it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from excision.errors import ModelError
from excision.system.files import write_json, write_tensors

if TYPE_CHECKING:
    from torch import nn

SHIPPED = Path(__file__).parent


def save_weights(network: nn.Module, folder: Path, variant: str, record: dict[str, Any]) -> None:
    """Write the network's weights and the record of how they were made."""
    write_tensors(folder / f"{variant}.safetensors", network.state_dict())
    write_json(folder / f"{variant}.json", record)


def load_weights(network: nn.Module, variant: str, folder: Path = SHIPPED) -> None:
    """Fill the network with the weights of `variant`.

    Raises:
        ModelError: the file is missing or damaged, or holds the weights of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / f"{variant}.safetensors"
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{path}: these are not weights of the {variant} attention: {error}") from error
