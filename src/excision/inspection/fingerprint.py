"""Names the content of a model's folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from excision.errors import ModelError
from excision.method import run_folder
from excision.method.folder_kinds import folder_kind, wrong_folder
from excision.runtime import model_folder
from excision.system.files import sha256

DIGITS = 12


def fingerprint(folder: Path) -> str:
    """Name the content of a model's folder: whatever could change a verdict changes these 12 digits.

    Raises:
        ModelError: the folder holds no model, or a file in it cannot be read.
    """
    return content_hash(folder)[:DIGITS]


def content_hash(folder: Path) -> str:
    """Give the SHA-256, in 64 digits, that `fingerprint` begins.

    Raises:
        ModelError: the folder holds no model, or a file in it cannot be read.
    """
    if folder_kind(folder) not in ("exported", "run"):
        raise ModelError(wrong_folder(folder, "model"))
    digest = hashlib.sha256()
    try:
        for name in (*model_folder.VERDICT_FILES, *run_folder.VERDICT_FILES):
            if (folder / name).is_file():
                digest.update(f"{name} {sha256(folder / name)}\n".encode())
    except OSError as error:
        raise ModelError(f"{folder}: the model cannot be read ({error})") from error
    return digest.hexdigest()
