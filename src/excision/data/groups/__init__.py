"""Which images show the same part, strip, lot or moment, and so are not independent of each other."""

from __future__ import annotations

from excision.data.groups.find import find_groups, group_samples, needs_looks
from excision.data.groups.grouping import Grouping
from excision.data.groups.rule import GroupRule

__all__ = ["GroupRule", "Grouping", "find_groups", "group_samples", "needs_looks"]
