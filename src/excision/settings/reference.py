"""Every setting with its default, its description and whom it is for, as help texts and documents show it.

The documents' table of settings is what `python -m excision.settings.reference` prints.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from typing import Any, get_type_hints

from excision.settings.audience import Audience, audience_of
from excision.settings.whole import Settings

_AUDIENCES: dict[Audience, str] = {
    "everyone": "",
    "advanced": "*Advanced.* ",
    "experiments": "*For experiments.* ",
}


@dataclass(frozen=True, slots=True)
class SettingReference:
    """A setting as it is documented.

    Attributes:
        section: its section, such as "mask".
        name: its name in the section.
        kind: its type.
        default: its default; None is derived from the training images.
        description: what it does, in one or two sentences.
        audience: whom it is for.
    """

    section: str
    name: str
    kind: Any
    default: Any
    description: str
    audience: Audience

    @property
    def full_name(self) -> str:
        """Section and name, such as "mask.fill"."""
        return f"{self.section}.{self.name}"

    @property
    def sentence(self) -> str:
        """The description with a capital letter."""
        return self.description[:1].upper() + self.description[1:]


def list_settings() -> tuple[SettingReference, ...]:
    """Give every setting, in the order of the sections."""
    return tuple(
        reference
        for section in dataclasses.fields(Settings)
        for reference in _of_section(section.name, section.default_factory)
    )


def settings_table() -> str:
    """Give every setting as a table in Markdown."""
    rows = [
        f"| `{each.full_name}` | {_default(each)} | {_AUDIENCES[each.audience]}{each.sentence} |"
        for each in list_settings()
    ]
    return "\n".join(["| name | default | what it does |", "| --- | --- | --- |", *rows])


def _of_section(section: str, kind: Any) -> list[SettingReference]:
    hints, descriptions = get_type_hints(kind), _descriptions(kind)
    return [
        SettingReference(
            section=section,
            name=item.name,
            kind=hints[item.name],
            default=item.default,
            description=descriptions.get(item.name, ""),
            audience=audience_of(item),
        )
        for item in dataclasses.fields(kind)
    ]


def _descriptions(kind: Any) -> dict[str, str]:
    """Read the descriptions in the section "Attributes:" of a docstring; none if Python stripped them."""
    section = (kind.__doc__ or "").partition("Attributes:")[2]
    entries = re.split(r"^ {8}(\w+): ", section, flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(entries[::2], entries[1::2], strict=True)}


def _default(setting: SettingReference) -> str:
    return "derived" if setting.default is None else json.dumps(setting.default)


if __name__ == "__main__":
    print(settings_table())
