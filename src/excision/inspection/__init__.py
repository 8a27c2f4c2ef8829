"""Inspection of image files: inputs, findings, and the log of the results."""
