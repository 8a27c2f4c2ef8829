"""Which model gave a result: its name, and a version that changes with anything that changes a verdict."""

from __future__ import annotations

import hashlib
from pathlib import Path

from excision.files import sha256

# Of an exported folder, then of a run folder. Golden images and logs change no verdict.
_FILES = (
    "model.json",
    "model.onnx",
    "model.xml",
    "model.bin",
    "region.png",
    "model.safetensors",
    "calibration.json",
    "settings.toml",
)


def model_identity(folder: Path) -> tuple[str, str]:
    """Give the name of a model's folder, and 12 hexadecimal digits of the SHA-256 of what is in it.

    Raises:
        OSError: a file of the model cannot be read.
    """
    digest = hashlib.sha256()
    for name in _FILES:
        if (folder / name).is_file():
            digest.update(f"{name} {sha256(folder / name)}\n".encode())
    return folder.resolve().name, digest.hexdigest()[:12]
