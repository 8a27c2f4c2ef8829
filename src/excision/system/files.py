"""Writing files so that a reader never sees part of one, and hashing their content."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from excision.system.names import cut_text

if TYPE_CHECKING:
    from torch import Tensor

_PREFIX = 64
"""Bytes of a name that its temporary name begins with."""

_RANDOM = 8
"""Characters that tell the temporary files of one name apart."""

_CHARACTERS = re.compile(rf"[0-9a-z_]{{{_RANDOM}}}")  # those of `tempfile`, which earlier versions used


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`; on success it replaces the target in one step.

    A crash, a kill or an exception leaves the old file unchanged. The new one has the mode that any new file
    of this process has. A stream is given itself.

    Raises:
        OSError: it cannot be written; the error names the target.
    """
    with naming(target):
        if is_stream(target):
            yield target
            return
        with _temporary(target) as temporary:
            yield temporary


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Make the error of a full disk name the file that was being written; the system names none."""
    try:
        yield
    except OSError as error:
        if error.filename is None and is_disk_full(error):
            error.filename = str(target)
        raise


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(target)
    try:
        mode = temporary.stat().st_mode & 0o777
        yield temporary
        _sync(temporary)
        # A library may have put a file of its own there, which only its owner can read.
        temporary.chmod(mode)
        temporary.replace(target)
    except OSError as error:
        if str(error.filename) == str(temporary):
            error.filename, error.filename2 = str(target), None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def temporary_beside(target: Path) -> Path:
    """Create an empty hidden file beside `target`, which `remove_leftovers` recognises.

    Its name keeps the suffix, because image writers choose the format by it. Its mode is left to the system:
    to ask for the umask of the process means to change it, and another thread could make a file meanwhile.
    """
    name = f"{_prefix(target)}{secrets.token_hex(_RANDOM // 2)}{_suffix(target)}"
    temporary = target.with_name(name)
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        error.filename = str(target)
        raise
    return temporary


def is_stream(target: Path) -> bool:
    """Tell whether a path is a stream, such as `/dev/stdout` or a named pipe, which nothing may replace."""
    if target.parent in (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd")):
        return target.exists()
    try:
        mode = target.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def check_writable(target: Path) -> None:
    """Check that `target` can be written, and leave nothing behind.

    Raises:
        OSError: it cannot; the error names what is at fault.
    """
    folder = target.parent
    while not folder.exists():
        folder = folder.parent
    temporary_beside(folder / target.name).unlink()


def remove_leftovers(*targets: Path) -> None:
    """Remove the temporary files that killed processes left beside targets, which nothing may be writing."""
    beginnings: dict[tuple[Path, str], set[str]] = {}
    for target in targets:
        beginnings.setdefault((target.parent, _suffix(target)), set()).add(_prefix(target))
    for (folder, suffix), prefixes in beginnings.items():
        for path in list(folder.iterdir()) if folder.is_dir() else ():
            head = path.name.removesuffix(suffix)
            prefix, random = head[:-_RANDOM], head[-_RANDOM:]
            if path.name == head + suffix and prefix in prefixes and _CHARACTERS.fullmatch(random):
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


DISK_FULL = "the disk is full: make room on it"
"""What to say where `is_disk_full`."""


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error says that the disk, or the share of it that its user may fill, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


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
