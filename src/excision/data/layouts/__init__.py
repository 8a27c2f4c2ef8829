"""Data set layouts: each module of this package reads one, and `load_dataset` chooses among them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from excision.data.layouts.folder import good_folders
from excision.data.layouts.registry import LAYOUTS, Contents, Layout
from excision.data.layouts.unread_labels import refuse_unread_labels
from excision.data.listing import relative_name
from excision.data.own_output import own_output
from excision.data.preparation import SHOWN, check_left_out
from excision.data.records import Dataset, UnusedMask
from excision.errors import DatasetError
from excision.storage.entry import is_url, local_path

__all__ = ["LAYOUTS", "choose_layout", "load_dataset"]

_MODULES = "csv_table mvtec kolektorsdd kolektorsdd2 magnetictile elpv coco labelme yolo lookout folder"

for _name in _MODULES.split():
    import_module(f"{__name__}.{_name}")


def load_dataset(path: str | Path, layout: str | None = None, *, leave_out: bool = False) -> Dataset:
    """Read a data set's names, splits, labels and masks; images are decoded only where a name is not clear.

    Args:
        path: folder or CSV file, "elpv-dataset" for the installed package of that name, or the URL of a
            folder, which is copied to a local cache.
        layout: name of the layout; by default it is detected.
        leave_out: whether it is intended that most images are left out, because nothing says what they are.

    Returns:
        The data set, its samples in the order of their names, at least one of them normal.

    Raises:
        DatasetError: the path does not exist, no layout or more than one fits, there are no normal images, an
            image has two masks, or most images would be left out.
    """
    path = _local(path)
    if layout is not None and layout not in LAYOUTS:
        raise DatasetError(f'The layout "{layout}" is unknown; known are {", ".join(sorted(LAYOUTS))}.')
    ours = own_output(path, named=True) if path.is_dir() else None
    if ours is not None:
        raise DatasetError(f"{path}: is no data set: Excision wrote this folder ({ours}); name one of images")
    chosen, notes = (LAYOUTS[layout], []) if layout is not None else choose_layout(path)
    if not path.exists() and not chosen.recognise(path):
        raise DatasetError(f"{path}: no such file or folder")
    contents = chosen.read(path)
    if (
        layout is None
        and chosen.name == "folder"
        and not good_folders(path)
        and not any(s.defective for s in contents.samples)
    ):
        refuse_unread_labels(contents.root)
    dataset = _checked(chosen, path, contents, [*notes, *_mask_notes(contents.unused_masks)], leave_out)
    check_left_out(dataset)
    return dataset


def _local(path: str | Path) -> Path:
    """Give the path of a data set on a local disk."""
    if not (isinstance(path, str) and is_url(path)):
        return Path(path)
    local = local_path(path)
    if local is not None:
        return local
    from excision.storage.mirror import mirror

    return mirror(path)


def _mask_notes(unused: Sequence[UnusedMask]) -> list[str]:
    """Give the notes on masks that go unused; `excision check` lists each."""
    groups = (
        ("belong to no image", [mask.name for mask in unused if mask.image is None]),
        ("belong to normal images and are not used", [m.name for m in unused if m.image is not None]),
    )
    return [
        f"{len(names)} masks {what}: {', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''}."
        for what, names in groups
        if names
    ]


def choose_layout(path: Path) -> tuple[Layout, list[str]]:
    """Detect the layout of a path, and give notes on the choice.

    Raises:
        DatasetError: none fits, or more than one.
    """
    fitting = [layout for layout in LAYOUTS.values() if layout.recognise(path)]
    if not fitting:
        _refuse(path)
    first = min(layout.precedence for layout in fitting)
    leading = [layout for layout in fitting if layout.precedence == first]
    if len(leading) > 1:
        names = " and ".join(layout.name for layout in leading)
        raise DatasetError(f"{path}: matches the layouts {names}; choose one with --layout")
    others = [layout.name for layout in fitting if layout not in leading and layout.name != "folder"]
    if others:
        chosen = leading[0].name
        how = "Read from its CSV file" if chosen == "csv" else f"Read in the layout {chosen}"
        return leading[0], [f"{how}; it also looks like {', '.join(others)}, which --layout would choose."]
    return leading[0], []


def _refuse(path: Path) -> None:
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    if path.is_file():
        raise DatasetError(
            f"{path}: is a single file; give a folder of images, or a file that lists them: CSV, COCO JSON, "
            "the YAML file of a YOLO data set, or a manifest"
        )
    raise DatasetError(
        f"{path}: no known data set layout was recognised. Looked for:",
        *(f"  {layout.name}: {layout.looks_for}" for layout in LAYOUTS.values()),
        "Arrange the images in one of these ways; the simplest is a folder good/ with the normal images.",
    )


def _checked(layout: Layout, path: Path, contents: Contents, notes: list[str], leave_out: bool) -> Dataset:
    samples = sorted(contents.samples, key=lambda s: s.name)
    if not samples:
        raise DatasetError(
            f"{path}: contains no usable images in the layout {layout.name} ({layout.looks_for})",
            *(f"  {note}" for note in contents.notes[:5]),
        )
    if all(s.defective for s in samples):
        raise DatasetError(
            f"{path}: contains {len(samples)} defective images and no normal one; "
            "training and evaluation need normal images"
        )
    kept = tuple(s for s in samples if s.split == "test" or not s.defective)
    left_out = len(samples) - len(kept)
    if left_out:
        notes = [*notes, f"Left out {left_out} defective training images: training uses normal images only."]
    names = [relative_name(image, contents.root) for image in contents.left_out]
    return Dataset(
        contents.root,
        layout.name,
        kept,
        (*contents.notes, *notes),
        tuple(contents.unused_masks),
        tuple(names),
        leave_out,
        tuple(contents.missing),
        contents.columns,
    )
