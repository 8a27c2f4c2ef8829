"""Addresses of models in a registry, such as `s3://plant/models/bracket@production`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from excision.errors import SettingsError
from excision.storage.entry import local_path
from excision.system.names import PLAIN_NAME

LATEST = "latest"

_ADDRESS = re.compile(r"(?:(?P<registry>.*)/)?(?P<name>[^/@]+)@(?P<which>[A-Za-z0-9_.-]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a version of a model is.

    Attributes:
        registry: path or URL of the registry.
        name: of the model.
        which: number of the version, "latest", or a stage.
    """

    registry: str
    name: str
    which: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address.

        Raises:
            SettingsError: it is none.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise SettingsError(
                f"{text}: is no address in a registry; write REGISTRY/NAME@STAGE, such as "
                "models/bracket@production"
            )
        return cls(found["registry"] or ".", check_name(found["name"], "model"), found["which"])

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}@{self.which}"


def is_address(place: str) -> bool:
    """Tell whether a text is an address in a registry; a path that exists is not."""
    found = _ADDRESS.fullmatch(place)
    # In s3://user@bucket, what is before the @ is who asks.
    if found is None or (found["registry"] or "").endswith((":", ":/")):
        return False
    path = local_path(place)
    return path is None or not Path(path).exists()


def check_name(name: str, what: str) -> str:
    """Give a name of a model or a stage back if it is valid.

    Raises:
        SettingsError: it is not.
    """
    if not PLAIN_NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} cannot be the name of a {what}: use letters, digits, _, - and ., 100 at most"
        )
    return name
