"""A model that lies in object storage, brought to a local disk for one inspection."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from excision.errors import ModelError
from excision.registry.address import is_address
from excision.registry.files import MODEL_FILES
from excision.registry.registry import local_version
from excision.storage.entry import local_path
from excision.storage.folder import MOST_BYTES
from excision.storage.opening import open_folder
from excision.storage.remote import WEB, fetch_remote


@contextmanager
def local_model(place: Path | str) -> Iterator[Path]:
    """Give the folder of a model on a local disk, for as long as it is needed.

    Args:
        place: path or URL of a run folder or an exported folder, or an address in a registry.

    Raises:
        ModelError: there is no model, a file of it cannot be read, or the URL is that of a web server, which
            lists no folder.
        ResultsError: a folder in object storage cannot be listed.
        SettingsError: what the URL needs is not installed.
    """
    if is_address(str(place)):
        yield local_version(str(place))
        return
    path = local_path(str(place))
    if path is not None:
        yield path
        return
    if str(place).partition("://")[0].lower() in WEB:
        raise ModelError(f"{place}: a web server lists no folder; copy the model to this machine first")
    folder = open_folder(str(place))
    with tempfile.TemporaryDirectory(prefix="excision-") as made:
        found = set(folder.names(""))
        for name in sorted(found & set(MODEL_FILES)):
            fetch_remote(f"{folder.name}/{name}", Path(made) / name, MOST_BYTES, ModelError)
        if not found & set(MODEL_FILES):
            raise ModelError(f"{place}: there is no model")
        yield Path(made)
