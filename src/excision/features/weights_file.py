"""Reads the weights of a known architecture from a safetensors file of the user; nothing is unpickled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from excision.errors import ModelError
from excision.features.choice import FeatureChoice
from excision.features.network import MOST_FEATURES
from excision.features.record import LICENCE_UNKNOWN, FeatureRecord
from excision.system.files import sha256

_MOST_LICENCE = 100  # characters
_SHOWN = 3  # names in a message


class Place(NamedTuple):
    """Where a tensor of the file belongs.

    Attributes:
        name: name in the network.
        part: number of the part, if several tensors of the file are joined along the first axis.
        parts: how many are joined.
    """

    name: str
    part: int = 0
    parts: int = 1


class Names(NamedTuple):
    """How the names in a file are understood.

    Attributes:
        renamed: patterns of the names in a file, with the name in the network that replaces each.
        unused: patterns of tensors that the network does not need, such as those of the classifier.
        joined: patterns of names whose tensors are joined, with the number of the part.
    """

    renamed: Mapping[str, str] = {}
    unused: str = r"^$"
    joined: Mapping[str, tuple[str, int, int]] = {}

    def place(self, name: str) -> Place | None:
        """Return where a tensor of the file belongs; None if it is not needed."""
        for pattern, (replacement, part, parts) in self.joined.items():
            changed, count = re.subn(pattern, replacement, name)
            if count:
                return Place(changed, part, parts)
        for pattern, replacement in self.renamed.items():
            changed, count = re.subn(pattern, replacement, name)
            if count:
                name = changed
                break
        return None if re.search(self.unused, name) else Place(name)


def describe_file(
    choice: FeatureChoice, strides: tuple[int, ...], channels: tuple[int, ...]
) -> FeatureRecord:
    """Describe the network of a safetensors file.

    Raises:
        ModelError: the file is missing or damaged.
    """
    with _opened(choice.path) as stored:
        stated = stored.metadata() or {}
    licence = str(stated.get("license", stated.get("licence", LICENCE_UNKNOWN)))[:_MOST_LICENCE]
    return FeatureRecord(
        kind=choice.kind,
        source=choice.path.name,
        licence=licence,
        sha256=sha256(choice.path),
        mean=choice.mean,
        std=choice.std,
        size=choice.size,
        strides=strides,
        channels=channels,
        features=min(MOST_FEATURES, sum(channels)),
    )


def load_file(
    network: nn.Module,
    choice: FeatureChoice,
    names: Names,
    fitted: Callable[[str, Tensor], Tensor] = lambda _, tensor: tensor,
) -> None:
    """Load the weights of a network from a safetensors file.

    Args:
        network: network without weights; changed in place.
        choice: names the file.
        names: how its names are understood.
        fitted: adapts a tensor, given its name in the network, to images of another size.

    Raises:
        ModelError: the file is missing or damaged, or holds another network.
    """
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    found: dict[str, list[Tensor | None]] = {}
    unknown = []
    path, kind = choice.path, choice.kind
    with _opened(path) as stored:
        for name in stored.keys():  # noqa: SIM118  no mapping
            place = names.place(name)
            if place is None:
                continue
            if place.name not in wanted:
                unknown.append(name)
                continue
            size = torch.Size(stored.get_slice(name).get_shape()).numel()
            # More than a network of another image size can have: refused before memory is taken.
            if size > 16 * wanted[place.name].numel() + 2**20:
                raise ModelError(f"{path}: {name} is too large for {kind}")
            found.setdefault(place.name, [None] * place.parts)[place.part] = stored.get_tensor(name).float()
    missing = [name for name in wanted if name not in found or any(part is None for part in found[name])]
    if missing or unknown:
        kinds = ((missing, "lacks"), (unknown, "has unknown tensors"))
        told = [f"{words} {', '.join(sorted(those)[:_SHOWN])}" for those, words in kinds if those]
        raise ModelError(f"{path}: these are no weights of {kind}: the file {' and '.join(told)}")
    state = {}
    for name, parts in found.items():
        whole = fitted(name, _joined(parts, path, name))
        if _essential(whole.shape) != _essential(wanted[name]):
            raise ModelError(
                f"{path}: these are no weights of {kind}: {name} has the shape {tuple(whole.shape)}, "
                f"not {tuple(wanted[name])}"
            )
        if not whole.isfinite().all():
            raise ModelError(f"{path}: {name} holds values that are not finite numbers")
        state[name] = whole.reshape(wanted[name])
    network.load_state_dict(state)


def _joined(parts: Sequence[Tensor | None], path: Path, name: str) -> Tensor:
    """Join tensors of a file along their first axis; a single number becomes a tensor of one.

    Raises:
        ModelError: their shapes do not fit together.
    """
    try:
        return torch.cat([part.view(part.shape or (1,)) for part in parts if part is not None])
    except RuntimeError as error:
        raise ModelError(f"{path}: the tensors of {name} do not fit together: {error}") from error


def _essential(shape: Sequence[int]) -> list[int]:
    """Return the sides other than 1: a scale of channels is stored as (C,) or (C, 1, 1)."""
    return [side for side in shape if side != 1]


def _opened(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read as safetensors: {error}") from error
