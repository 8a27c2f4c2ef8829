"""The shipped attention weights, and how they are written and read.

Beside each `<variant>.safetensors` stands `<variant>.json`: the steps, seed and figures of the run of
`excision attention pretrain` that made it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from excision.errors import ModelError
from excision.files import atomic_path, write_json

if TYPE_CHECKING:
    from torch import nn

SHIPPED = Path(__file__).parent


def save_weights(network: nn.Module, folder: Path, variant: str, record: dict[str, Any]) -> None:
    """Write the network's weights and the record of how they were made."""
    from safetensors.torch import save_file

    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(folder / f"{variant}.safetensors") as temporary:
        save_file(tensors, temporary)
    write_json(folder / f"{variant}.json", record)


def load_weights(network: nn.Module, variant: str, folder: Path = SHIPPED) -> None:
    """Fill the network with the weights of `variant`.

    Raises:
        ModelError: the file is missing, damaged, or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / f"{variant}.safetensors"
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{path}: these are no weights of the {variant} attention: {error}") from error
