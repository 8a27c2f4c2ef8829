"""Importing this lets a step of tuning the attention see two pieces of images, not 2^18 pixels of them.

Of the small images of tests these are 170 pieces, and two steps took four fifths of the time of a training.
"""

from excision.method.attention.tuning import lessons

FULL, SMALL = lessons.BATCH_PIXELS, 1
lessons.BATCH_PIXELS = SMALL
