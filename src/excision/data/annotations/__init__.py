"""Defects that are described by other files than masks: shapes drawn by hand, runs of pixels, colours."""
