"""Errors and warnings that a user can act on. The command line prints their message in one line."""

from __future__ import annotations


class ExcisionError(Exception):
    """Base of every error that is the input's fault and says what to do about it."""


class ImageError(ExcisionError):
    """An image or mask cannot be read, or has no defined meaning."""


class DatasetError(ExcisionError):
    """A data set is empty, ambiguous, or lacks what the task needs."""


class SettingsError(ExcisionError):
    """A setting is out of range, or contradicts another or the saved model."""


class ModelError(ExcisionError):
    """A run folder or model file is missing, incomplete or damaged."""


class ResultsError(ExcisionError):
    """A file of results cannot be opened, or holds what this version does not know."""


class StationError(ExcisionError):
    """A station cannot be reached, or refuses what it is asked."""


class BusyError(StationError):
    """A station has no room for another image now, or is stopping; asking again later may succeed."""


class GoneError(StationError):
    """What is asked for existed once, and cannot be given any more."""


class RenamedWarning(FutureWarning):
    """An old name was used. It still works in this release; the warning says the new one."""
