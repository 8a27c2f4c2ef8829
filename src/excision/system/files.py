"""Writing files so that a reader never sees part of one, and hashing their content."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from excision.system.names import cut_text

if TYPE_CHECKING:
    from torch import Tensor

_PREFIX = 64
"""Bytes of a name that its temporary name begins with."""


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`; on success it replaces the target in one step.

    A crash, a kill or an exception leaves the old file unchanged. The temporary name keeps the suffix,
    because image writers choose the format by it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_prefix(target), suffix=_suffix(target), dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        # mkstemp makes files private, but other users of the line have to read the results.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(target: Path) -> None:
    """Remove the temporary files that killed processes left beside `target`, which nothing may be writing."""
    prefix = _prefix(target)
    if target.parent.is_dir():
        for path in target.parent.iterdir():
            if path.name.startswith(prefix) and path.suffix == _suffix(target):
                path.unlink(missing_ok=True)


def write_bytes(target: Path, content: bytes) -> None:
    """Write `content` to `target` atomically."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: Path, content: str) -> None:
    """Write `content` to `target` atomically, as UTF-8 with plain newlines."""
    write_bytes(target, content.encode("utf-8"))


def write_json(target: Path, content: Any) -> None:
    """Write `content` to `target` atomically as indented JSON; NaN and infinity are refused."""
    write_text(target, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_tensors(target: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write `tensors` to `target` atomically as safetensors.

    This does not use `save_file` of safetensors, which first writes to a temporary file of its own: after a
    kill nothing would remove that file.
    """
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(target, save(plain, metadata))


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _prefix(target: Path) -> str:
    # A name may be as long as the file system allows; the temporary name must not be longer.
    return f".{cut_text(target.stem, _PREFIX)}-"


def _suffix(target: Path) -> str:
    return target.suffix if len(os.fsencode(target.suffix)) <= _PREFIX else ""


def _sync(path: Path) -> None:
    """Flush to disk before the rename; otherwise a power cut could leave an empty file under the new name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
