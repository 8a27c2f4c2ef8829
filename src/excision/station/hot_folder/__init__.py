"""Inspecting whatever arrives in a folder."""
