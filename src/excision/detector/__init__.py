"""Excision And Recovery as one object: fit on normal images, predict, save, load."""

from excision.detector.detector import Detector

__all__ = ["Detector"]
