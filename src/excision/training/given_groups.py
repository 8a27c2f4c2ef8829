"""Groups of images that a caller gives, one for each image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.data import Dataset
from excision.errors import DatasetError

Groups = Sequence[Hashable] | Mapping[str, Hashable]
"""The group of each normal training image: in their order, or by the image's name."""


def by_name(dataset: Dataset | Sequence[NDArray[Any] | str | Path], groups: Groups) -> dict[str, str]:
    """Give the group of each training image by its name.

    Args:
        dataset: a data set, or a sequence of normal images as arrays or paths.
        groups: the group of each normal training image, in the order of the images, or by name.

    Raises:
        DatasetError: an image has no group, or there are more groups than images.
    """
    names = _names(dataset)
    if isinstance(groups, str | bytes):
        raise DatasetError(
            "groups is a text: give the group of each image, or a rule as the setting calibration.groups"
        )
    if isinstance(groups, Mapping):
        missing = [name for name in names if name not in groups]
        if missing:
            raise DatasetError(
                f"groups: {len(missing)} of {len(names)} training images have none, such as {missing[0]}; "
                "give the group of each by its name"
            )
        return {name: str(groups[name]) for name in names}
    if len(groups) != len(names):
        raise DatasetError(
            f"groups: there are {len(groups)} for {len(names)} training images; give one for each, in their "
            "order"
        )
    return {name: str(group) for name, group in zip(names, groups, strict=True)}


def _names(dataset: Dataset | Sequence[NDArray[Any] | str | Path]) -> list[str]:
    """Give the names that a training uses, in the order of the images."""
    if isinstance(dataset, Dataset):
        return [sample.name for sample in dataset.train]
    return [
        str(place) if isinstance(image, np.ndarray) else str(Path(image))
        for place, image in enumerate(dataset)
    ]
