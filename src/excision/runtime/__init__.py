"""Inspecting with an exported model, without torch: see `Inspector`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from excision.runtime.inspector import Inspector

__all__ = ["Inspector"]


def __getattr__(name: str) -> Any:
    """Import `Inspector` on first use, so that importing a module of this package does not load it."""
    if name != "Inspector":
        raise AttributeError(f"module 'excision.runtime' has no attribute '{name}'")
    from excision.runtime.inspector import Inspector

    return Inspector
