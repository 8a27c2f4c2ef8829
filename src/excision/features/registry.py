"""Reads and builds the known feature networks."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from excision.errors import ModelError
from excision.features.choice import KINDS, FeatureChoice
from excision.features.network import FeatureNetwork
from excision.features.record import FeatureRecord


def open_network(choice: FeatureChoice) -> FeatureNetwork:
    """Read a feature network with its weights.

    Raises:
        ModelError: the package or the file is missing or damaged, or holds another network.
    """
    module = _module(choice.kind)
    record: FeatureRecord = module.describe(choice)
    backbone = module.build(record)
    module.load(backbone, choice)
    return FeatureNetwork(record, backbone).draw_directions().eval()


def build_network(record: FeatureRecord) -> FeatureNetwork:
    """Build the network of a record without its weights, which are then loaded.

    Raises:
        ModelError: the record describes no network that this version knows.
    """
    if record.kind not in KINDS:
        raise ModelError(f"{record.kind!r} is no feature network that this version of Excision knows")
    backbone = _module(record.kind).build(record)
    if tuple(backbone.strides) != record.strides or tuple(backbone.channels) != record.channels:
        raise ModelError(f"the record of features says other maps than {record.kind} has")
    return FeatureNetwork(record, backbone).eval()


def _module(kind: str) -> Any:
    # One module for each kind, so that a new one is a file and an entry.
    return import_module(KINDS[kind])
