"""Opens a folder with a model of either kind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from excision.errors import ModelError
from excision.method.folder_kinds import folder_kind, wrong_folder
from excision.storage.entry import is_url, local_path
from excision.system.allocator import keep_freed_memory
from excision.system.cores import checked_count
from excision.tiling.tile_threads import TileThreads

if TYPE_CHECKING:
    from excision.detector import Detector
    from excision.runtime.backend import Device
    from excision.runtime.inspector import Inspector


def load(
    folder: str | Path, threads: int | None = None, device: Device | None = None, workers: int = 1
) -> Detector | Inspector:
    """Open a folder with a model: a run folder or an exported folder.

    Args:
        folder: folder that `excision train`, `Detector.save` or `excision export` wrote, or its URL; then it
            is copied to the local cache.
        threads: of one inspection; None leaves it to the backend, or to torch, whose setting for the whole
            process this number becomes otherwise; freed memory is then kept for the next image.
        device: where the networks are computed; None takes the processor for an exported model, and a GPU if
            there is one for a run folder.
        workers: inspections that are computed at once, when as many threads ask for them, and tiles of a
            large image.

    Returns:
        A `Detector` for a run folder, which needs torch, or an `Inspector` for an exported folder.

    Raises:
        ModelError: the folder is neither, or a file in it is missing or damaged.
        SettingsError: `threads` or `workers` is not a whole number of at least 1.
    """
    folder = _local(folder)
    match folder_kind(folder):
        case "exported":
            from excision.runtime.inspector import Inspector

            return Inspector(folder, threads, device or "cpu", workers)
        case "run":
            return load_run(folder, threads, device, workers)
        case _:
            raise ModelError(wrong_folder(folder, "model"))


def load_run(
    folder: Path, threads: int | None = None, device: Device | None = None, workers: int = 1
) -> Detector:
    """Open a run folder; arguments as for `load`.

    Raises:
        ModelError: the folder does not hold a finished run, or a file in it is damaged.
        SettingsError: `threads` or `workers` is not a whole number of at least 1.
    """
    workers = checked_count("workers", workers)
    if threads is not None:
        threads = checked_count("threads", threads)
    from excision.detector import Detector, use_threads

    if threads is not None:
        use_threads(threads)
        keep_freed_memory()
    detector = Detector.load(folder, device or "auto")
    # A GPU computes one tile after another in any case.
    detector.tile_threads = TileThreads(workers if detector.device.type == "cpu" else 1)
    return detector


def _local(folder: str | Path) -> Path:
    path = local_path(folder) if isinstance(folder, str) and is_url(folder) else Path(folder)
    if path is not None:
        return path
    from excision.storage.mirror import mirror

    return mirror(str(folder))
