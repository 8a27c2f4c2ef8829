"""The models that a station has loaded."""
