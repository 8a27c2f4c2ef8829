"""Alarms of a station: what raises one, and who acknowledges it."""
