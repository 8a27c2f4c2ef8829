"""The result of a study in the folder of its model, and which weights it belongs to."""

from __future__ import annotations

import hashlib
from pathlib import Path

from excision.capability.result import Capability
from excision.errors import ResultsError
from excision.method import run_folder
from excision.method.folder_kinds import CAPABILITY
from excision.runtime.backend import GRAPH_FILES
from excision.system.files import sha256


def model_identity(folder: Path) -> str:
    """Hash the weights or the graph of a model folder: 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in (*GRAPH_FILES, run_folder.MODEL):
        if (folder / name).is_file():
            digest.update(f"{name} {sha256(folder / name)}\n".encode())
    return digest.hexdigest()[:12]


def stored_capability(folder: Path) -> Capability | None:
    """Read the result that a model folder holds; None if there is none.

    Raises:
        ResultsError: the file is damaged, or belongs to other weights than those in the folder.
    """
    path = folder / CAPABILITY
    if not path.is_file():
        return None
    found = Capability.load(path)
    if found.model_id != model_identity(folder):
        raise ResultsError(
            f"{path}: this was measured with other weights than those in the folder: measure again with "
            "excision capability"
        )
    return found


def threshold_note(capability: Capability, threshold: float | None) -> str | None:
    """Say that the threshold has changed since the study; None if it has not."""
    if threshold is None or abs(threshold - capability.threshold) <= 1e-9 * abs(capability.threshold):
        return None
    return (
        f"This was measured at the threshold {capability.threshold:.6g}; it is {threshold:.6g} now, so the "
        "figures no longer hold. Measure again with excision capability."
    )
