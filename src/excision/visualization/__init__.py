"""Anomaly maps, overlays and charts as pictures."""
