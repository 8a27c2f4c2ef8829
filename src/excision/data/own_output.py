"""Folders that Excision wrote itself, recognised by their files: they hold pictures, but no data.

This is the one list of what marks them. A single name is not enough, since a folder of images may hold a file
`model.json` of another program.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from excision.data.image_names import is_image_name

ATTENTION_PICTURES = "attention_pictures.json"
"""Marks the folder of pictures that `excision attention show` writes."""


@dataclass(frozen=True, slots=True)
class _Marks:
    """A kind of folder: it holds all of the first names, and at least one of the others if there are any.

    `sole` says that it holds sorted images of its own in sub-folders such as good/.
    """

    kind: str
    all_of: tuple[str, ...]
    any_of: tuple[str, ...] = ()
    sole: bool = False

    def on(self, folder: Path) -> bool:
        return all(os.path.lexists(folder / name) for name in self.all_of) and (
            not self.any_of or any(os.path.lexists(folder / name) for name in self.any_of)
        )


def _marks(kind: str, all_of: str, any_of: str = "", *, sole: bool = False) -> _Marks:
    return _Marks(kind, tuple(all_of.split()), tuple(any_of.split()), sole)


_RUN = _marks(
    "a run folder",
    "settings.toml",
    "model.safetensors checkpoint.safetensors tuning.safetensors fingerprint.json log.jsonl",
)
_KINDS: Sequence[_Marks] = (
    _RUN,
    _marks("an exported model", "model.json", "model.onnx model.xml golden.npz"),
    _marks("the results of an inspection", "results.jsonl results.csv"),
    _marks("the results of an inspection", "inspection.json", "parts"),
    _marks("the results of an evaluation", "evaluation.json", "scores.csv report.html about.json"),
    _marks("a report of results", "about.json report.html"),
    _marks("the results of a hot folder", "results.sqlite", "watch.lock overlays", sole=True),
    _marks("the data of a station", "results.sqlite", "service.lock images", sole=True),
    _marks("the results of a benchmark", "benchmark.md", "accuracy.png auroc_speed.png"),
    _marks("the results of a capability study", "study.json", "drawings.csv capability.json"),
    _marks("a part of a benchmark", "cell.json", "settings.toml model.safetensors clock.json"),
    _marks("pictures of the attention", ATTENTION_PICTURES, sole=True),
)

_OVERLAYS = "overlays"
_OVERLAY = re.compile(r".-[0-9a-f]{10}\.(webp|png|jpe?g)$")

PARTS = frozenset({_OVERLAYS, "examples", "figures", "tiles", "evaluation"})
"""Folders within such a folder, which are ours even where it holds data besides."""

_DRAWING = re.compile(r"\d{5,}-.*\.png$", re.DOTALL)
_CHARTS = frozenset({"accuracy.png", "auroc_speed.png"})

_DATA = frozenset({"good", "ok", "normal", "train", "test"})
"""Folders, in lower case, that say a folder holds data, even if results were written into it."""


def own_output(folder: Path, *, named: bool = False) -> str | None:
    """Tell what a folder is that Excision wrote, in words; None if it is none, or if it holds data as well.

    Args:
        folder: any folder.
        named: whether a user named this folder, rather than one that contains it; images sorted by a hot
            folder are then data.
    """
    marks = _marks_on(folder)
    if marks is not None:
        return None if _holds_data(folder, sorted_images=marks.sole and not named) else marks.kind
    if folder.name == _OVERLAYS:
        names = [name for name in _names(folder) if not name.startswith(".")]
        if names and all(map(_OVERLAY.search, names)):
            # What an evaluation that was stopped leaves behind.
            return "the pictures of an evaluation"
    if os.path.lexists(folder / "data") and _RUN.on(folder / "run") and not _holds_data(folder):
        return "the folder of a demonstration"
    return None


def own_parts(folder: Path) -> frozenset[str]:
    """Give the names of our sub-folders in a folder that results were written into."""
    return PARTS if _marks_on(folder) is not None else frozenset()


def _marks_on(folder: Path) -> _Marks | None:
    return next((marks for marks in _KINDS if marks.on(folder)), None)


def _holds_data(folder: Path, *, sorted_images: bool = False) -> bool:
    names = _names(folder)
    drawn = ATTENTION_PICTURES in names
    return (not sorted_images and any(name.lower() in _DATA for name in names)) or any(
        is_image_name(name)
        and name not in _CHARTS
        and not (drawn and _DRAWING.match(name))
        and not (folder / name).is_dir()
        for name in names
    )


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  # names alone, which may be millions
    except OSError:
        return []
