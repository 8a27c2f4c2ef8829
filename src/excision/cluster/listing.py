"""Lists images one after another, in a fixed order and in constant memory, for a manifest."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from excision.data.image_names import is_image_name
from excision.data.listing import own_folders, passed_over
from excision.errors import DatasetError
from excision.storage.entry import Entry, bare, local_path, uri_of
from excision.storage.manifest import is_manifest, open_manifest

TAR = ".tar"
_LONGEST_HEADER = 2**20  # bytes


def list_entries(
    sources: Iterable[Path | str], notes: list[str] | None = None, leave_out: str = ""
) -> Iterator[Entry]:
    """List the images of all sources in order; an image that is named twice is listed once.

    A folder stands for all image files below it, a tar file for the image files in it, a manifest for the
    images that it lists. Any other file is taken as an image. Only folders, and the files that were named one
    by one, stay in memory.

    Args:
        sources: files, folders, or URLs of either.
        notes: receives a sentence for each folder that is passed over.
        leave_out: URL of a folder that is not searched.

    Raises:
        DatasetError: a tar file or a manifest cannot be read.
    """
    folders: list[str] = []
    urls: list[str] = []
    named: set[str] = set()
    for source in sources:
        path = local_path(str(source)) if isinstance(source, str) else source
        name = str(source).rstrip("/") if path is None else uri_of(path)
        if name in named:
            continue
        named.add(name)
        if path is not None and path.is_dir():
            _refuse_lance(path)
            for image in walk_images(path, notes):
                uri = uri_of(image)
                if uri not in named and not _was_walked(image, folders):
                    yield Entry(uri)
            folders.append(os.path.abspath(path))  # noqa: PTH100  links stay as they are named
        elif is_manifest(name):
            manifest = open_manifest(name)
            yield from manifest.read(0, manifest.rows)
        elif bare(name).lower().endswith(TAR):
            yield from tar_entries(name if path is None else path)
        elif path is not None:
            if not _was_walked(path, folders):
                yield Entry(name)
        else:
            known = tuple(urls)
            for entry in _remote(name, leave_out, urls):
                if not entry.uri.startswith(known) and (entry.uri == name or entry.uri not in named):
                    yield entry


def _refuse_lance(folder: Path) -> None:
    # It would look like a folder without images.
    if folder.name.lower().endswith(".lance") and (folder / "_versions").is_dir():
        raise DatasetError(
            f"{folder}: a data set in Lance is not read directly; write its rows to a Parquet table "
            "with a column `image`, and name that table"
        )


def _was_walked(image: Path, folders: Iterable[str]) -> bool:
    """Tell whether a walk through one of these folders has given an image."""
    path = Path(os.path.abspath(image))  # noqa: PTH100  as above
    if not is_image_name(path.name) or not os.path.lexists(path):
        return False
    for folder in folders:
        if Path(folder) in path.parents:
            between = path.parents[: len(path.parts) - len(Path(folder).parts) - 1]
            if not any(map(_is_left_out, between)):
                return True
    return False


def _is_left_out(folder: Path) -> bool:
    return folder.name.startswith(".") or own_folders(folder.parent, [folder.name])[folder.name] is not None


def walk_images(folder: Path, notes: list[str] | None = None) -> Iterator[Path]:
    """Give the image files below a folder in the order of `list_images`, without holding them.

    Linked folders are followed, each folder once; hidden folders, and those that Excision wrote, are not
    entered.

    Args:
        folder: where to look.
        notes: receives a sentence for each folder that is passed over.
    """
    yield from _walk(folder, set(), notes)


def _walk(folder: Path, seen: set[str], notes: list[str] | None) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  names alone: paths would take memory
    except OSError:
        if notes is not None:
            notes.append(f"{folder}: the folder cannot be read")
        return
    folders = {name for name in names if (folder / name).is_dir()}
    ours = own_folders(folder, sorted(name for name in folders if not name.startswith(".")))
    for name in names:
        kind = ours.get(name)
        if kind is not None and notes is not None:
            notes += passed_over([(folder / name, kind)], Path())
        if name not in folders and is_image_name(name):
            yield folder / name
        elif name in ours and kind is None:
            yield from _walk(folder / name, seen, notes)


def tar_entries(place: Path | str) -> Iterator[Entry]:
    """Give the image files in a tar file, in its order, each with the place of its bytes.

    Args:
        place: path, or URL.

    Raises:
        DatasetError: the file is no tar file, is compressed, or is cut short.
    """
    uri = place if isinstance(place, str) else uri_of(place)
    try:
        # Compressed files are refused: their images cannot be read one by one.
        with _opened(place) as stream, tarfile.open(fileobj=_Bounded(stream), mode="r:") as archive:
            while (member := archive.next()) is not None:
                # The archive would keep all of its members.
                archive.members.clear()  # type: ignore[attr-defined]  # it is not documented
                if member.isreg() and not member.issparse() and is_image_name(Path(member.name).name):
                    name = member.name.replace("#", "%23")
                    yield Entry(f"{uri}#{name}", offset=member.offset_data, size=member.size)
    except Exception as error:
        # `tarfile` raises many errors for damaged headers, and a stream from storage those of its library.
        raise DatasetError(f"{place}: cannot be read as an uncompressed tar file ({error})") from error


class _Bounded(io.RawIOBase):
    """Refuses to read more at once than a header can need: its size in the file may be any number."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._stream.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _opened(place: Path | str) -> IO[bytes]:
    if isinstance(place, Path):
        return place.open("rb")
    from excision.storage.remote import open_remote

    return open_remote(place)


def _remote(url: str, leave_out: str, folders: list[str]) -> Iterator[Entry]:
    """Give the image at a URL, or the images below it, which then is one of the folders."""
    if is_image_name(bare(url).rpartition("/")[2]):
        yield Entry(url)
        return
    folders.append(f"{url}/")
    from excision.storage.remote import list_remote

    for file in list_remote(url):
        inside = bool(leave_out) and file.url.startswith(leave_out.rstrip("/") + "/")
        if not inside and is_image_name(file.name.rpartition("/")[2]):
            yield Entry(file.url, size=file.size)
