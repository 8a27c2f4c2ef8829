"""Inspecting files: what is named, what is found, and what is kept of it."""
