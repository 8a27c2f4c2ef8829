"""What a registry says of a version of a model, and of a stage."""

from __future__ import annotations

from dataclasses import dataclass, field

from excision.version import __version__


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a model; it never changes.

    Attributes:
        name: of the model.
        number: such as "0001".
        model: fingerprint: 12 digits that change with whatever could change a verdict.
        files: SHA-256 of each file, by name.
        date: day on which it was added.
        notes: words of whoever added it.
        excision: version that added it.
    """

    name: str
    number: str
    model: str
    files: dict[str, str]
    date: str
    notes: str = ""
    excision: str = __version__


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage points to.

    Attributes:
        version: number of the version.
        date: day since which it does.
        before: earlier ones, the latest last.
    """

    version: str
    date: str
    before: tuple[tuple[str, str], ...] = field(default_factory=tuple)
