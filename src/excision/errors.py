"""Errors and warnings that a user can act on. The command line prints their message in one line."""

from __future__ import annotations


class ExcisionError(Exception):
    """Base of every error that is caused by the input and says what to do about it.

    Args:
        message: one line; a newline in it, which is that of a file name, is shown as an escape.
        lines: further lines of the message.
    """

    def __init__(self, message: str, *lines: str) -> None:
        super().__init__(message, *lines)

    def __str__(self) -> str:
        return "\n".join(str(line).replace("\n", "\\n").replace("\r", "\\r") for line in self.args)


class ImageError(ExcisionError):
    """An image or mask cannot be read, or has no defined meaning."""


class DatasetError(ExcisionError):
    """A data set is empty, ambiguous, or lacks what the task needs."""


class SettingsError(ExcisionError):
    """A setting is out of range, or conflicts with another setting or with the saved model."""


class OtherRunError(SettingsError):
    """A run folder was begun with other settings or on other images."""


class ModelError(ExcisionError):
    """A run folder or model file is missing, incomplete or damaged."""


class ResultsError(ExcisionError):
    """A file of results cannot be opened, or has content that this version does not know."""


class StoreError(ResultsError):
    """The file of results cannot be used as things are; nothing that it holds is changed."""


class DiskFullError(StoreError):
    """The disk of the results has no room left; nothing was written."""


class ReadOnlyError(StoreError):
    """The results may be read but not written: a read-only disk, or missing permissions."""


class DiskError(StoreError):
    """The disk of the results failed to read or write; a later attempt may succeed."""


class DamagedError(StoreError):
    """The file of results is damaged: it must be restored from a backup or recovered."""


class ReplacedError(StoreError):
    """The file of results was replaced or removed while in use: what is written to it would be lost."""


class StationError(ExcisionError):
    """A station cannot be reached, or refuses a request."""


class BusyError(StationError):
    """The queue of a station is full, or the station is stopping; a later attempt may succeed."""


class StoreBusyError(BusyError):
    """Another process has locked the results for longer than a write waits; nothing was written."""


class GoneError(StationError):
    """The requested item existed once but is no longer available."""


class CameraError(ExcisionError):
    """A camera cannot be reached, refuses a setting, or gives no picture; a later attempt may succeed."""


class DamagedFrameError(CameraError):
    """A picture arrived incomplete or cannot be decoded; the next one may be whole.

    Args:
        message: one line.
        lost: pictures before this one that did not arrive at all.
    """

    def __init__(self, message: str, lost: int = 0) -> None:
        super().__init__(message)
        self.lost = lost


class CameraEndError(CameraError):
    """A folder or film that serves as a camera has no more pictures."""


class RenamedWarning(FutureWarning):
    """An old name was used. It still works in this release; the warning gives the new one."""


class FewImagesWarning(UserWarning):
    """There are so few images for calibration that the promised false-alarm rate is worse than 5 %."""


class FewGroupsWarning(UserWarning):
    """There are enough images for calibration, but of so few groups that they can promise little."""


class NetworkMemoryWarning(UserWarning):
    """The networks remember the training images, so that held-out images alone set the threshold."""


class UnusedFeaturesWarning(UserWarning):
    """The features of a network were asked for, and are not compared."""


class RareAppearanceWarning(UserWarning):
    """Some good images resemble one another and no other one, and are too few to be learnt apart."""


class PassedOverWarning(UserWarning):
    """A folder was not searched for images, because Excision wrote it itself."""
