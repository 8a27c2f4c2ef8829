"""Facts about a trained model, read from its weights without building the model or importing torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from excision.errors import ModelError

# Names of the tensor in the formats of the run folder, newest first.
_EXPLAINED_VARIANCE = (
    "scorer.feature_distance.explained_variance",
    "familiar.explained",
)
_OF_NETWORK = "scorer.network_distances.{grid}.explained_variance"
LEAST_EXPLAINED = 0.05
"""Share of the variance from which on position tells what is to be seen."""

_STARTS = ("scorer.alignment.starts", "alignment.starts")
_OF_APPEARANCES = "scorer.alignment.images"


@dataclass(frozen=True, slots=True)
class FeatureDistanceFacts:
    """What training measured about the feature distance.

    Attributes:
        explained_variance: share in [0, 1] of the features' variance that position explains.
        aligned: whether positions refer to the aligned part rather than to the image.
        appearances: if the good images have several appearances, how many images have each; empty otherwise.
    """

    explained_variance: float
    aligned: bool
    appearances: tuple[int, ...] = ()


def read_feature_distance(model: Path) -> FeatureDistanceFacts | None:
    """Read the facts about the feature distance from the weights of a run folder of any format.

    Args:
        model: `model.safetensors` of the run folder.

    Returns:
        The facts; None if the model does not use the feature distance.

    Raises:
        ModelError: the file is damaged.
    """
    return _read(model, _EXPLAINED_VARIANCE)


def read_network_distance(model: Path, grid: str) -> FeatureDistanceFacts | None:
    """Read the same facts about the distance of a network's features on a grid.

    Args:
        model: `model.safetensors` of the run folder.
        grid: "fine" or "coarse" of the feature network, or "attention" for the attention's own features.

    Raises:
        ModelError: the file is damaged.
    """
    return _read(model, (_OF_NETWORK.format(grid=grid),))


def _read(model: Path, explained_variance: tuple[str, ...]) -> FeatureDistanceFacts | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(model, framework="numpy") as weights:
            names = set(weights.keys())
            name = next((each for each in explained_variance if each in names), None)
            if name is None:
                return None
            explained = float(weights.get_tensor(name)[0])
            several = _OF_APPEARANCES in names
            images = weights.get_tensor(_OF_APPEARANCES).tolist() if several else ()
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{model}: cannot be read as weights: {error}") from error
    aligned = several or not names.isdisjoint(_STARTS)
    return FeatureDistanceFacts(explained, aligned, tuple(images))
