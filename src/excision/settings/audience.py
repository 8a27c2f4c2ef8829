"""Whom a setting is for, marked once in the metadata of its dataclass field, beside its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field
from types import MappingProxyType
from typing import Any, Literal

Audience = Literal["everyone", "advanced", "experiments"]

ADVANCED: Mapping[str, Audience] = MappingProxyType({"audience": "advanced"})
"""The mark of a setting that is rarely worth changing."""

FOR_EXPERIMENTS: Mapping[str, Audience] = MappingProxyType({"audience": "experiments"})
"""The mark of a setting that switches a part of the method off or exchanges it, to measure what it is
worth."""


def audience_of(setting: Field[Any]) -> Audience:
    """Give whom a setting is for; without a mark it is for everyone."""
    audience: Audience = setting.metadata.get("audience", "everyone")
    return audience
