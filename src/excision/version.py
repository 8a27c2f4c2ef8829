"""The version of Excision."""

__version__ = "0.1.0"
