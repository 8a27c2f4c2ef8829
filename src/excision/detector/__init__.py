"""Excision And Recovery as one object: fit on normal images, predict, save, load."""

from excision.detector.detector import Detector
from excision.detector.threads import use_threads

__all__ = ["Detector", "use_threads"]
