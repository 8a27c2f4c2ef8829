"""Keys, as the command line is given them."""

from __future__ import annotations

import sys
from pathlib import Path


def key_of(path: Path | None, variable: str | None) -> str | None:
    """Read a key from a file or the environment, and say who else can read the file.

    Raises:
        SettingsError: it is missing, too short, or cannot be read.
    """
    from excision.system.keys import exposure_of, read_key

    key = read_key(path, variable)
    exposed = None if path is None else exposure_of(path)
    if exposed:
        print(f"excision: {exposed}", file=sys.stderr, flush=True)
    return key
