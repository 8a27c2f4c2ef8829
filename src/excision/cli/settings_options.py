"""Every setting of a detector as an option of its own name: `--mask.fill mosaic`."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from cyclopts import Group, Parameter

from excision.cli.options import number
from excision.settings import Settings

SHORT_NAMES = {
    "image.size": "--size",
    "image.tile": "--tile",
    "training.seed": "--seed",
    "training.steps": "--steps",
    "calibration.false_alarm_rate": "--false-alarm-rate",
}
"""Settings that also have a short name."""


def override(settings: Settings, options: SettingsOptions | None) -> Settings:
    """Give the settings with those replaced that the command line names.

    Raises:
        SettingsError: a value is out of range.
    """
    sections = {name: _named(section) for name, section in _named(options).items()}
    changed = {
        name: dataclasses.replace(getattr(settings, name), **values) for name, values in sections.items()
    }
    return dataclasses.replace(settings, **changed)


def _named(options: Any) -> dict[str, Any]:
    """Give what was named on the command line; the rest is None."""
    if options is None:
        return {}
    values = {item.name: getattr(options, item.name) for item in dataclasses.fields(options)}
    return {name: value for name, value in values.items() if value is not None}


def _section(name: str, kind: Any) -> Any:
    """Make a dataclass of a section's settings in which each is an option, None where it is not given."""
    hints, words = get_type_hints(kind), _attribute_help(kind)
    group = Group.create_ordered(f"Settings: {name}")
    fields = []
    for item in dataclasses.fields(kind):
        full = f"{name}.{item.name}"
        options = [f"--{full.replace('_', '-')}"]
        if full in SHORT_NAMES:
            options.append(SHORT_NAMES[full])
        default = "derived from the images" if item.default is None else item.default
        parameter = Parameter(
            name=options,
            help=f"{words[item.name]} (default: {default})",
            group=group,
            converter=number if hints[item.name] is float else None,
            negative=None if hints[item.name] is bool else "",
        )
        fields.append((item.name, Annotated[hints[item.name] | None, parameter], None))
    return _make(f"{kind.__name__}Options", fields)


def _attribute_help(kind: Any) -> dict[str, str]:
    """Read the sentences of a docstring's "Attributes:" section."""
    section = kind.__doc__.partition("Attributes:")[2]
    entries = re.split(r"^ +(\w+): ", section, flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(entries[::2], entries[1::2], strict=True)}


def _make(name: str, fields: list[Any]) -> Any:
    # Without a module of its own, cyclopts takes the class for one of Python's built-in types.
    return dataclasses.make_dataclass(name, fields, kw_only=True, namespace={"__module__": __name__})


if TYPE_CHECKING:

    @dataclass
    class SettingsOptions:
        """Settings given on the command line; None for those that were not."""

else:
    # Made from the settings themselves, so that the two cannot drift apart.
    SettingsOptions = _make(
        "SettingsOptions",
        [
            (
                item.name,
                Annotated[_section(item.name, item.default_factory) | None, Parameter(name="*")],
                None,
            )
            for item in dataclasses.fields(Settings)
        ],
    )
