"""Passwords and keys that a file of settings refers to and never holds."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from excision.errors import SettingsError

_MOST = 2**16  # bytes of a file


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a password or key is: in a file, or in a variable of the environment.

    Attributes:
        file: whose first line is the secret, in UTF-8.
        env: name of the variable.
    """

    file: Path | None = None
    env: str | None = None

    def __post_init__(self) -> None:
        if (self.file is None) == (self.env is None):
            raise SettingsError('give either { file = "PATH" } or { env = "VARIABLE" }')

    def read(self) -> str:
        """Read the secret.

        Raises:
            SettingsError: there is none, or it cannot be read.
        """
        if self.env is not None:
            value = os.environ.get(self.env, "")
            if not value:
                raise SettingsError(f"the variable {self.env} of the environment is not set")
            return value
        assert self.file is not None
        try:
            with self.file.open("rb") as stream:
                content = stream.read(_MOST + 1)
        except OSError as error:
            raise SettingsError(f"{self.file}: cannot be opened ({error.strerror})") from error
        try:
            line = re.split(r"[\r\n]", content.decode("utf-8-sig"), maxsplit=1)[0].strip()
        except UnicodeDecodeError as error:
            raise SettingsError(f"{self.file}: save it as UTF-8") from error
        if not line or len(content) > _MOST:
            raise SettingsError(f"{self.file}: its first line must be the password or key")
        return line

    def exposure(self) -> str | None:
        """Say who can read the file beside its owner; None where nobody can, or there is none."""
        try:
            mode = self.file.stat().st_mode if self.file is not None else 0
        except OSError:
            return None
        if os.name != "posix" or not stat.S_ISREG(mode) or not mode & (stat.S_IRGRP | stat.S_IROTH):
            return None
        who = "every user of this machine" if mode & stat.S_IROTH else "its group"
        return f"{self.file} holds a secret and can be read by {who}: chmod 600 {self.file}"
