"""Compares the weights of a run folder with its settings, before memory is taken for the networks."""

from __future__ import annotations

from pathlib import Path

import torch

from excision.errors import ModelError
from excision.features.registry import build_network
from excision.method.attention.dino import new_attention
from excision.method.pipeline import Pipeline
from excision.method.run_folder import MODEL, Model

_LONGEST_REASON = 300


def check_weights(model: Model, folder: Path) -> None:
    """Check that weights and settings belong together, and that every weight is a number.

    Args:
        model: as read from the folder.
        folder: run folder, for the message.

    Raises:
        ModelError: names, shapes or types differ, or a weight is not a number.
    """
    try:
        # On this device tensors have shapes and types, and no memory.
        with torch.device("meta"):
            network = None if model.features is None else build_network(model.features)
            attention = new_attention(model.settings.attention.variant, network)
            described = Pipeline(model.settings, model.image_format, attention, network)
            described.load_learned({name: tensor.to("meta") for name, tensor in model.tensors.items()})
        types = {name: tensor.dtype for name, tensor in described.state_dict().items()}
    except (RuntimeError, TypeError, ValueError, OverflowError, IndexError) as error:
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        raise ModelError(f"{folder}: weights and settings do not belong together: {reason}") from error
    for name, tensor in model.tensors.items():
        if tensor.dtype != types.get(name, tensor.dtype):
            raise ModelError(f"{folder / MODEL}: {name} holds {tensor.dtype}, not {types[name]}")
        if tensor.isnan().any():
            raise ModelError(f"{folder / MODEL}: {name} holds values that are not numbers")
