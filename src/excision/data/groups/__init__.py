"""Which images show the same part, strip, lot or moment, and so are not independent of each other."""

from __future__ import annotations

from excision.data.groups.collecting import Collector
from excision.data.groups.find import find_groups, group_samples
from excision.data.groups.grouping import Grouping, GroupSummary
from excision.data.groups.rule import GroupRule

__all__ = ["Collector", "GroupRule", "GroupSummary", "Grouping", "find_groups", "group_samples"]
