"""Versions of models in a folder or bucket, each written once, with stages that point to them.

NAME/0001/...               the files of a run folder or of an exported folder
NAME/0001/version.json      written last: names the files with their hashes; without it there is no version
NAME/0001/claim.txt         whose number it is, so that two who add at once get two numbers
NAME/stages/production.json to which version a stage points, and to which it pointed before
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from excision.errors import ModelError, SettingsError
from excision.inspection.fingerprint import fingerprint
from excision.method.folder_kinds import folder_kind, wrong_folder
from excision.registry.address import LATEST, Address, check_name
from excision.registry.files import MODEL_FILES, model_files
from excision.registry.records import Stage, Version
from excision.storage.entry import local_path
from excision.storage.opening import open_folder
from excision.system.dates import today
from excision.system.files import atomic_path, sha256, write_json
from excision.system.secrets import without_secrets
from excision.system.strict_json import read_json

VERSION, CLAIM, STAGES = "version.json", "claim.txt", "stages"
FORMAT = 1

_MOST_HISTORY = 1000
_ATTEMPTS = 100  # numbers that others may take at the same time


class Registry:
    """Models by name, each in versions that are written once.

    Args:
        place: path or URL of a folder; it need not exist.

    Attributes:
        place: path or URL of the folder.
        shown: the same without password, for messages.
    """

    def __init__(self, place: Path | str) -> None:
        self.place = str(place).rstrip("/") or "/"
        self.shown = without_secrets(self.place)
        self._folder = open_folder(self.place)

    def add(self, model: Path, name: str, notes: str = "") -> Version:
        """Add a folder with a model as a new version.

        Raises:
            ModelError: the folder holds no model.
            SettingsError: the name is not valid.
        """
        check_name(name, "model")
        if folder_kind(model) not in ("run", "exported"):
            raise ModelError(wrong_folder(model, "model"))
        files = {file.name: sha256(file) for file in model_files(model)}
        number = self._claimed(name)
        version = Version(name, number, fingerprint(model), files, today(), notes)
        for file, content in files.items():
            with self._folder.writing(f"{name}/{number}/{file}") as target:
                shutil.copyfile(model / file, target)
                if sha256(target) != content:
                    raise ModelError(f"{model / file}: was changed while it was added")
        with self._folder.writing(f"{name}/{number}/{VERSION}") as target:
            write_json(target, {"format": FORMAT, **asdict(version)})
        return version

    def add_if_new(self, model: Path, name: str, notes: str = "") -> Version:
        """Add a version, or give the last one if it is the same model.

        Raises:
            ModelError: the folder holds no model.
            SettingsError: the name is not valid.
        """
        numbers = self._numbers(check_name(name, "model"))
        last = self._read(name, numbers[-1]) if numbers else None
        return last if last is not None and last.model == fingerprint(model) else self.add(model, name, notes)

    def names(self) -> list[str]:
        """Give the names of the models that have a version."""
        return [name for name in sorted(self._folder.names("")) if self._numbers(name)]

    def versions(self, name: str) -> list[Version]:
        """Give the complete versions of a model, the first one first.

        Raises:
            ModelError: there is none, or one is damaged.
        """
        found = [self._read(name, number) for number in self._numbers(name)]
        if not found:
            raise ModelError(f"{self.shown}: there is no model {name}; excision registry list names them")
        return found

    def find(self, name: str, which: str = LATEST) -> Version:
        """Give a version by its number, by a stage, or the latest.

        Raises:
            ModelError: there is none.
        """
        check_name(name, "model")
        if which == LATEST:
            return self.versions(name)[-1]
        number = which if which.isascii() and which.isdecimal() else None
        if number is None:
            stage = self.stage(name, which)
            if stage is None:
                raise ModelError(
                    f"{self.shown}/{name}: no version is in the stage {which}; "
                    "set it with `excision registry stage`"
                )
            number = stage.version
        # As text: a number with thousands of digits is none that `int` reads.
        number = number.lstrip("0").zfill(4)
        if number not in self._numbers(name):
            raise ModelError(f"{self.shown}/{name}: there is no version {number[:20]}")
        return self._read(name, number)

    def stages(self, name: str) -> dict[str, Stage]:
        """Give the stages of a model, by name.

        Raises:
            ModelError: the file of a stage is damaged.
        """
        found = {}
        for file in sorted(self._folder.names(f"{name}/{STAGES}")):
            stage = self.stage(name, file.removesuffix(".json")) if file.endswith(".json") else None
            if stage is not None:
                found[file.removesuffix(".json")] = stage
        return found

    def stage(self, name: str, stage: str) -> Stage | None:
        """Give what a stage of a model points to; None if it points to nothing.

        Raises:
            ModelError: its file is damaged.
        """
        path = f"{check_name(name, 'model')}/{STAGES}/{check_name(stage, 'stage')}.json"
        if not self._folder.exists(path):
            return None
        content = self._json(path)
        try:
            before = tuple((str(number), str(date)) for number, date in content["before"])
            return Stage(str(content["version"]), str(content["date"]), before)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{self.shown}/{path}: this is no stage: {error!r}") from error

    def set_stage(self, name: str, stage: str, which: str) -> Stage:
        """Let a stage point to a version, and remember the one before.

        Raises:
            ModelError: there is no such version.
            SettingsError: the name of the stage is not valid.
        """
        if check_name(stage, "stage") == LATEST or stage.isdecimal():
            raise SettingsError(f"{stage} cannot be the name of a stage: it already names a version")
        version = self.find(name, which)
        with self._one_at_a_time(name):
            now = self.stage(name, stage)
            if now is not None and now.version == version.number:
                return now
            before = () if now is None else (*now.before, (now.version, now.date))
            return self._point(name, stage, Stage(version.number, today(), before[-_MOST_HISTORY:]))

    def roll_back(self, name: str, stage: str) -> Stage:
        """Let a stage point to the version before.

        Raises:
            ModelError: there is none.
        """
        if self.stage(name, stage) is None:
            raise ModelError(f"{self.shown}/{name}: no version was in the stage {stage} before")
        with self._one_at_a_time(name):
            now = self.stage(name, stage)
            if now is None or not now.before:
                raise ModelError(f"{self.shown}/{name}: no version was in the stage {stage} before")
            number = self.find(name, now.before[-1][0]).number
            return self._point(name, stage, Stage(number, today(), now.before[:-1]))

    def location(self, version: Version) -> str:
        """Give the path or URL of the folder of a version."""
        return f"{self.place}/{version.name}/{version.number}"

    def get(self, version: Version, out: Path) -> Path:
        """Copy a version to a folder on this machine, and check every file of it.

        Raises:
            ModelError: a file is missing or is another than was added.
            SettingsError: the folder is not empty.
        """
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise SettingsError(f"{out}: is not empty; choose another folder")
        out.parent.mkdir(parents=True, exist_ok=True)
        # What does not prove to be whole must not lie there.
        with TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
            part = Path(folder) / out.name
            for file, wanted in version.files.items():
                with (
                    self._folder.reading(f"{version.name}/{version.number}/{file}") as source,
                    atomic_path(part / file) as target,
                ):
                    shutil.copyfile(source, target)
                    if sha256(target) != wanted:
                        where = without_secrets(self.location(version))
                        raise ModelError(f"{where}/{file}: is not the file that was added")
            if out.exists():
                out.rmdir()
            part.rename(out)
        return out

    @contextmanager
    def _one_at_a_time(self, name: str) -> Iterator[None]:
        """Keep other processes from changing the stages of a model; object storage has no locks."""
        root = local_path(self.place)
        try:
            import fcntl
        except ModuleNotFoundError:  # Windows
            root = None
        if root is None:
            yield
            return
        folder = root / name / STAGES
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _point(self, name: str, stage: str, to: Stage) -> Stage:
        with self._folder.writing(f"{name}/{STAGES}/{stage}.json") as target:
            write_json(target, {"format": FORMAT, **asdict(to)})
        return to

    def _claimed(self, name: str) -> str:
        """Take the next number for this process alone."""
        taken = [int(found) for found in self._folder.names(name) if found.isdecimal()]
        mine = f"{os.getpid()} {secrets.token_hex(16)}".encode("ascii")
        for number in range(max(taken, default=0) + 1, max(taken, default=0) + _ATTEMPTS):
            claim = f"{name}/{number:04d}/{CLAIM}"
            if self._folder.exists(claim):
                continue
            self._folder.claim(claim, mine)
            with self._folder.reading(claim) as found:
                if found.read_bytes() == mine:
                    return f"{number:04d}"
        raise ModelError(f"{self.shown}/{name}: others add versions all the time; try again")

    def _numbers(self, name: str) -> list[str]:
        found = (number for number in self._folder.names(name) if number.isdecimal())
        return sorted(
            (number for number in found if self._folder.exists(f"{name}/{number}/{VERSION}")), key=int
        )

    def _read(self, name: str, number: str) -> Version:
        path = f"{name}/{number}/{VERSION}"
        content = self._json(path)
        try:
            if content.pop("format") > FORMAT:
                raise ModelError(f"{self.shown}/{path}: a later version of Excision wrote this: update")
            version = Version(**content)
            if (version.name, version.number) != (name, number) or not set(version.files) <= set(MODEL_FILES):
                raise ValueError("it is that of another version")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"{self.shown}/{path}: this is no version of a model: {error}") from error
        return version

    def _json(self, path: str) -> Any:
        with self._folder.reading(path) as found:
            return read_json(found)


def local_version(place: str) -> Path:
    """Give the folder of the version that an address stands for now, with every file checked.

    A version in object storage is copied to the local cache, where it stays while this process uses it.

    Raises:
        ModelError: there is no such version, or a file of it is missing or is another than was added.
    """
    address = Address.parse(place)
    registry = Registry(address.registry)
    version = registry.find(address.name, address.which)
    location = registry.location(version)
    folder = local_path(location)
    if folder is None:
        from excision.storage.mirror import mirror

        folder = mirror(location)
    for file, wanted in version.files.items():
        if not (folder / file).is_file() or sha256(folder / file) != wanted:
            where = without_secrets(location)
            raise ModelError(f"{where}/{file}: is missing, or is not the file that was added")
    return folder
