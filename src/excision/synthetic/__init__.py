"""Procedural surfaces, parts and defects."""
