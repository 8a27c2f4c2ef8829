"""Makes a scorer fit the tensors of a model, which contains only what its images were found to need."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, takewhile
from typing import TYPE_CHECKING

from torch import Tensor, nn

from excision.method.scoring.attention_distance import attention_grid, stored_channels
from excision.method.scoring.network_distances import stored_distance
from excision.method.scoring.poses import Posing

if TYPE_CHECKING:
    from excision.method.scoring.scorer import Scorer


def made_to_fit(scorer: Scorer, tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Prepare to load a state dict, which contains feature distances and alignment only if they count.

    Args:
        scorer: gets the parts that the state dict contains, as far as they count with its settings.
        tensors: state dict by name.
        prefix: prefix of the names of the scorer's tensors.

    Returns:
        The tensors without those that do not count with these settings.
    """
    of_edges, of_alignment, network, of_distances = (
        f"{prefix}{part}." for part in ("feature_distance", "alignment", "network", "network_distances")
    )
    learnt = scorer.compares_positions and any(name.startswith(of_edges) for name in tensors)
    scorer.alignment = _stored_alignment(scorer, tensors, of_alignment) if learnt else None
    scorer.divide_tails()
    aligned, appearances = f"{of_edges}certainty" in tensors, scorer.appearances
    scorer.feature_distance = scorer.new_feature_distance(aligned, appearances) if learnt else None
    scorer.network_distances = nn.ModuleDict()
    size, tiles = scorer.image_format.size, not scorer.compares_positions
    channels = stored_channels(tensors, of_distances) if scorer.wants_attention else 0
    of_attention = [attention_grid(channels)] if channels else []
    for grid in (*of_attention, *scorer.grids):
        distance = stored_distance(tensors, of_distances, grid, size, tiles=tiles, appearances=appearances)
        if distance is not None:
            scorer.network_distances[grid.name] = distance.to(scorer.tails.device)
    used = {of_edges: learnt, of_alignment: learnt, network: scorer.network is not None}
    of_grids = {name.removeprefix(of_distances).split(".")[0] for name in tensors if of_distances in name}
    used |= {f"{of_distances}{name}.": name in scorer.network_distances for name in of_grids}
    unused = tuple(name for name, is_used in used.items() if not is_used)
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(unused)}
    tails = f"{prefix}tails"
    if not learnt and tails in kept and kept[tails].dim() > scorer.tails.dim():
        # Without the alignment, nothing tells which appearance an image has.
        kept[tails] = kept[tails].mean(dim=0)
    return kept


def _stored_alignment(scorer: Scorer, tensors: Mapping[str, Tensor], prefix: str) -> Posing | None:
    """Create the alignment that a state dict can be loaded into; None if it contains none."""
    starts = tensors.get(f"{prefix}starts")
    if starts is not None:
        return scorer.new_alignment(len(starts), _count(tensors, f"{prefix}alike"))
    each = list(takewhile(lambda own: f"{own}starts" in tensors, (f"{prefix}each.{n}." for n in count())))
    if not each:
        return None
    several = [[_count(tensors, f"{own}{poses}") for own in each] for poses in ("starts", "alike")]
    return scorer.new_appearances(*several)


def _count(tensors: Mapping[str, Tensor], name: str) -> int:
    """Return the number of rows of a tensor; 0 if there is none of this name."""
    return len(tensors[name]) if name in tensors else 0
