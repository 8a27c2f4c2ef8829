"""What a run folder tells of the training beside the model: on which images, and how it went."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from excision.errors import ModelError
from excision.method.run_folder import FINGERPRINT, TRAINING, read_json

Record = Mapping[str, Any]
"""The content of each of these files, by its name; without those that are not known."""

_TRAINING_IMAGES = "training"  # part of a fingerprint


def read_record(folder: Path) -> Record:
    """Read the record of a run; a missing or damaged file counts as not known."""
    found = {}
    for name in (FINGERPRINT, TRAINING):
        with suppress(ModelError):
            content = read_json(folder / name)
            if isinstance(content, dict):
                found[name] = content
    return found


def of_recalibrated(record: Record, fingerprint: Callable[[], Mapping[str, Any]]) -> Record:
    """Return the record of a model whose statistics and threshold were learnt again.

    The networks have seen the earlier training images, so these stay training images. If they are not known,
    the record stays without images: it must not seem complete.

    Args:
        record: of the model before.
        fingerprint: computes that of the images that it is recalibrated with; called only if it counts.
    """
    if FINGERPRINT not in record:
        return record
    before, data = record[FINGERPRINT], fingerprint()
    training = dict(data[_TRAINING_IMAGES])
    known = {*training.values()}
    for name, digest in before.get(_TRAINING_IMAGES, {}).items():
        if digest not in known:
            training[f"{name} (earlier)" if name in training else name] = digest
    return {**record, FINGERPRINT: {**before, **data, _TRAINING_IMAGES: training}}
