"""Fitness: whether an image is as training images are, so that a verdict on it means something."""

from excision.method.fitness.fitness import MOST_IMAGES, Fitness, Learner, chosen
from excision.method.fitness.stored import load_fitness, save_fitness
from excision.method.folder_kinds import FITNESS

__all__ = ["FITNESS", "MOST_IMAGES", "Fitness", "Learner", "chosen", "load_fitness", "save_fitness"]
