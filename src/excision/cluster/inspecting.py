"""Inspects the images of one part, with a model that is open."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from excision.cluster.parts import PartRow, read_part, write_part
from excision.cluster.plan import Pictured, Plan
from excision.inspection.batch import failed, inspect_file
from excision.predictions import Predictor, Verdict
from excision.storage.ahead import Reader
from excision.storage.entry import Entry
from excision.storage.folder import Folder
from excision.system.secrets import without_secrets

_PICTURED: Mapping[Pictured, frozenset[Verdict]] = {
    "none": frozenset(),
    "not-good": frozenset(("defect", "review", "unfit")),
    "all": frozenset(("good", "defect", "review", "unfit")),
}


class PartInspector:
    """Inspects part after part and writes the results of each.

    Args:
        predictor: detector or inspector.
        folder: for the results.
        plan: of the inspection.
        reader: reads the images.
    """

    def __init__(self, predictor: Predictor, folder: Folder, plan: Plan, reader: Reader) -> None:
        self._predictor, self._folder, self._plan, self._reader = predictor, folder, plan, reader
        self._manifest = plan.open(folder)

    def do(
        self,
        part: int,
        *,
        begins: Callable[[int], None] = lambda _: None,
        again: bool = False,
        deadly: Mapping[int, str] | None = None,
    ) -> None:
        """Inspect the images of a part, and write its file.

        Args:
            part: number of the part.
            begins: called with the number of each image within the part before it is read and inspected; not
                with those that are kept or must not be inspected.
            again: keep the results that an earlier inspection of the part has, and try those that failed.
            deadly: images within the part that must not be inspected, with the reason.

        Raises:
            DatasetError: the manifest is damaged.
            ResultsError: the part is damaged, or cannot be written.
        """
        entries = list(self._manifest.read(*self._plan.span(part)))
        kept = list(self._kept(part)) if again else [None] * len(entries)
        wanted = [
            entry
            for place, entry in enumerate(entries)
            if kept[place] is None and place not in (deadly or {})
        ]
        with tempfile.TemporaryDirectory(prefix="excision-") as made:
            out = self._folder.local or Path(made)
            read = self._reader.read(wanted)
            rows = [
                kept[place] or self._row(entry, place, read, out, begins, deadly or {})
                for place, entry in enumerate(entries)
            ]
            self._upload(Path(made), rows)
        write_part(self._folder, self._plan, part, rows)

    def _kept(self, part: int) -> Iterator[PartRow | None]:
        if not self._folder.exists(self._plan.name(part)):
            yield from [None] * self._plan.span(part)[1]
            return
        for row in read_part(self._folder, self._plan, part):
            yield row if row.record.verdict is not None else None

    def _row(
        self,
        entry: Entry,
        place: int,
        read: Iterator[Path | str],
        out: Path,
        begins: Callable[[int], None],
        deadly: Mapping[int, str],
    ) -> PartRow:
        threshold, name = self._predictor.threshold, without_secrets(entry.uri)
        if place in deadly:
            # It is not begun: a process that dies afterwards has begun nothing that it could die of.
            return PartRow(failed(name, threshold, f"{name}: {deadly[place]}"), entry.group, entry.serial)
        begins(place)
        if reason := _why_not(found := next(read), entry):
            record = failed(name, threshold, without_secrets(reason))
        else:
            # Two rows of a table may have the same name.
            state = "" if entry.row is None else f"{entry.table}#{entry.row}"
            pictured = _PICTURED[self._plan.pictured]
            record = inspect_file(self._predictor, Path(found), out, state, name=name, pictured=pictured)
        return PartRow(record, entry.group, entry.serial)

    def _upload(self, made: Path, rows: Sequence[PartRow]) -> None:
        """Put the overlays in object storage before the part that names them."""
        if self._folder.local is not None:
            return
        for name in _overlays(rows):
            if (made / name).exists():
                with self._folder.writing(name) as target:
                    (made / name).replace(target)


def _why_not(found: Path | str, entry: Entry) -> str | None:
    """Say why there is no file to inspect; a folder or a pattern would stand for other images."""
    if isinstance(found, str):
        return found
    if found.is_file():
        return None
    return f"{entry.uri}: is not a regular file" if found.exists() else f"{entry.uri}: no such file"


def _overlays(rows: Iterable[PartRow]) -> Iterator[str]:
    return (row.record.overlay for row in rows if row.record.overlay is not None)
