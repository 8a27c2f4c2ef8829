"""Opens a folder of results wherever it lies."""

from __future__ import annotations

from pathlib import Path

from excision.errors import ResultsError
from excision.storage.entry import local_path
from excision.storage.folder import Folder, LocalFolder


def open_folder(place: Path | str) -> Folder:
    """Open a folder by its path or URL; it need not exist.

    Raises:
        ResultsError: it is a file, or the URL is that of a web server.
        SettingsError: what the URL needs is not installed.
    """
    path = local_path(str(place)) if isinstance(place, str) else place
    if path is None:
        from excision.storage.remote_folder import RemoteFolder

        return RemoteFolder(str(place))
    if path.exists() and not path.is_dir():
        raise ResultsError(f"{path}: is a file; name a folder for the results")
    return LocalFolder(path)
