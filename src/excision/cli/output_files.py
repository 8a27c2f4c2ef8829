"""Files that verbs write where the user says: checked before the work, so that no other file is replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import BoundArguments
from pathlib import Path
from typing import Any, get_type_hints


@dataclass(frozen=True, slots=True)
class FileKind:
    """Marks a parameter of a verb: it writes a file of this kind, and replaces nothing else.

    Attributes:
        name: of the kind, for messages.
        endings: of the names of such files, in lower case.
        beginnings: bytes with which their content begins, after spaces.
    """

    name: str
    endings: tuple[str, ...]
    beginnings: tuple[bytes, ...]

    def has(self, file: Path) -> bool:
        """Tell whether an existing file is of this kind, by its name and content; an empty one may be any."""
        with file.open("rb") as stream:
            head = stream.read(256).removeprefix(b"\xef\xbb\xbf").lstrip()
        return file.suffix.lower() in self.endings and (not head or head.startswith(self.beginnings))


JSON_FILE = FileKind("JSON", (".json",), (b"{", b"["))
HTML_FILE = FileKind("HTML", (".html", ".htm"), (b"<",))
CSV_FILE = FileKind("CSV", (".csv",), (b"table,",))
"""A table of registers, as `excision station modbus-map` writes it."""

AUDIT_FILE = FileKind("exported audit", (".csv", ".jsonl"), (b"id,time,", b"{"))
"""An audit trail, as `excision station audit export` writes it."""


def check_output_files(verb: Callable[..., Any], arguments: BoundArguments) -> None:
    """Check every file that a command line is to write.

    Args:
        verb: what is called.
        arguments: of the verb.

    Raises:
        SettingsError: one must not be replaced, or cannot be written.
    """
    given = {name: value for name, value in arguments.arguments.items() if isinstance(value, Path)}
    if not given:
        return
    hints = get_type_hints(verb, include_extras=True)
    for name, value in given.items():
        for mark in getattr(hints.get(name), "__metadata__", ()):
            if isinstance(mark, FileKind):
                check_output_file(value, mark)


def check_output_file(target: Path, kind: FileKind) -> None:
    """Check that a file can be written, and that what it replaces is of its kind.

    Raises:
        SettingsError: it is another file or a folder, or it cannot be written.
    """
    from excision.errors import SettingsError
    from excision.system.files import check_writable, is_stream

    if is_stream(target):
        return
    if target.is_dir():
        raise SettingsError(f"{target}: is a folder; name a file in it, such as {target / _example(kind)}")
    try:
        if target.is_file() and not kind.has(target):
            raise SettingsError(
                f"{target}: is there already and is no {kind.name} file, so it is not replaced: name another "
                f"file that ends in {' or '.join(kind.endings)}, or move this one away"
            )
        check_writable(target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(
            f"{error.filename or target}: {reason}; name a file that can be written"
        ) from error


def _example(kind: FileKind) -> str:
    return f"results{kind.endings[0]}"
