"""The images that a model was trained on, found again by their content, wherever they lie now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from excision.data.listing import list_images
from excision.method.run_start import recorded_images
from excision.progress import Progress
from excision.system.files import sha256
from excision.training import KNOWN_DEFECTS

PARTS = ("training", "calibration", KNOWN_DEFECTS)


@dataclass(frozen=True, slots=True)
class Originals:
    """The images of a run.

    Attributes:
        good: file of each good image that was found, by its name in the run.
        defects: file of each known defect that was found, by its name in the run.
        hashes: SHA-256 of each of these, by its name.
        missing: names of the images that were not found.
    """

    good: Mapping[str, Path]
    defects: Mapping[str, Path]
    hashes: Mapping[str, str]
    missing: tuple[str, ...]


def find_originals(
    run: Path, folders: Sequence[Path], likely: Sequence[Path], progress: Progress
) -> Originals:
    """Find the images of a run in folders, by the SHA-256 of their files; their names may have changed.

    Args:
        run: run folder; it records the images.
        folders: searched for them, with everything below.
        likely: files that may be some of them.
        progress: called with (done, total) while files are hashed.

    Raises:
        ModelError: the record is damaged.
    """
    record = recorded_images(run) or {part: {} for part in PARTS}
    wanted = {digest: name for part in PARTS for name, digest in record[part].items()}
    found: dict[str, Path] = {}
    guesses = [*likely, *(folder / name for folder in folders for name in wanted.values())]
    _hash([path for path in guesses if path.is_file()], wanted, found, progress)
    if len(found) < len(wanted):
        # Their folder or their names have changed.
        others = [path for folder in folders if folder.is_dir() for path in list_images(folder).images]
        _hash(sorted({*others} - {*guesses}), wanted, found, progress)
    good = {name: digest for part in PARTS[:2] for name, digest in record[part].items() if digest in found}
    known = {name: digest for name, digest in record[KNOWN_DEFECTS].items() if digest in found}
    return Originals(
        good={name: found[digest] for name, digest in good.items()},
        defects={name: found[digest] for name, digest in known.items()},
        hashes={**known, **good},
        missing=tuple(name for part in PARTS for name, digest in record[part].items() if digest not in found),
    )


def _hash(
    paths: Sequence[Path], wanted: Mapping[str, str], found: dict[str, Path], progress: Progress
) -> None:
    for done, path in enumerate(paths, start=1):
        if len(found) == len(wanted):
            return
        digest = sha256(path)
        if digest in wanted:
            found.setdefault(digest, path)
        progress(done, len(paths))
