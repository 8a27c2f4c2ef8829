"""Every setting of a detector as an option of the same name: `--mask.fill mosaic`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from excision.cli.arguments import option_name
from excision.cli.help import MORE_SETTINGS
from excision.cli.options import number
from excision.settings import Settings
from excision.settings.audience import Audience
from excision.settings.reference import SettingReference, list_settings
from excision.settings.short_names import SHORT_NAMES

SHORT_OPTIONS = {full: f"--{short.replace('_', '-')}" for short, full in SHORT_NAMES.items()}
"""Settings that also have a short name; `--help` shows these alone."""

_SECTIONS = [item.name for item in dataclasses.fields(Settings)]
_LAST_PANELS: dict[Audience, tuple[str, str, int]] = {
    "advanced": ("advanced", "Rarely worth changing.", 0),
    "experiments": (
        "for experiments",
        "Switch a part of the method off or exchange it, to measure what it is worth.",
        1,
    ),
}


def override(settings: Settings, options: SettingsOptions | None) -> Settings:
    """Replace the settings that the command line gives.

    Raises:
        SettingsError: a value is out of range.
    """
    sections = {name: _named(section) for name, section in _named(options).items()}
    changed = {
        name: dataclasses.replace(getattr(settings, name), **values) for name, values in sections.items()
    }
    return dataclasses.replace(settings, **changed)


def _named(options: Any) -> dict[str, Any]:
    """Give the options that are on the command line; the others are None."""
    if options is None:
        return {}
    values = {item.name: getattr(options, item.name) for item in dataclasses.fields(options)}
    return {name: value for name, value in values.items() if value is not None}


def _section(settings: list[SettingReference]) -> Any:
    """Make a dataclass of a section's settings in which each is an option, None where it is not given."""
    fields = [(each.name, Annotated[each.kind | None, _parameter(each)], None) for each in settings]
    return _make(f"{settings[0].section.capitalize()}Options", fields)


def _parameter(setting: SettingReference) -> Parameter:
    """Describe the option of a setting; its group is the panel of the help text that shows it."""
    short = SHORT_OPTIONS.get(setting.full_name)
    # What is derived from the images says so in its description.
    default = "" if setting.default is None else f" (default: {setting.default})"
    return Parameter(
        name=[name for name in (short, option_name(setting.full_name)) if name],
        help=f"{setting.sentence}{default}",
        group=Group.create_default_parameters() if short else _panel(setting),
        converter=number if setting.kind is float else None,
        negative=None if setting.kind is bool else "",
    )


def _panel(setting: SettingReference) -> Group:
    """Give the panel of a help text in which a less common setting stands."""
    if setting.audience == "everyone":
        return Group(f"{MORE_SETTINGS}{setting.section}", sort_key=_SECTIONS.index(setting.section))
    title, help_text, place = _LAST_PANELS[setting.audience]
    return Group(f"{MORE_SETTINGS}{title}", help=help_text, sort_key=len(_SECTIONS) + place)


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
            (section, Annotated[_section(list(settings)) | None, Parameter(name="*")], None)
            for section, settings in groupby(list_settings(), key=lambda setting: setting.section)
        ],
    )
