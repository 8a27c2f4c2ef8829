"""Importing this lets a step of tuning the attention see two pieces of images, not `BATCH_PIXELS` of them.

Of the small images of tests these are a hundred pieces or more, and two steps took most of the time of a
training.
"""

from excision.method.attention.tuning import lessons

FULL, SMALL = lessons.BATCH_PIXELS, 1
lessons.BATCH_PIXELS = SMALL
