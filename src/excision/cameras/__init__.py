"""Cameras: where the pictures of a line come from, whatever the wire."""
