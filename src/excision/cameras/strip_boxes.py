"""Boxes of the images of a strip, joined so that a defect has one box whatever the cuts."""

from __future__ import annotations

from collections.abc import Sequence

from excision.ops.boxes import Box


def join_boxes(images: Sequence[tuple[int, Sequence[Box]]]) -> list[Box]:
    """Join the boxes of the images of a strip.

    Boxes that overlap or touch in the strip become the smallest box around them, until none do. The parts of
    a defect that a cut divides meet in the rows that both images have.

    Args:
        images: first row of each in the strip, and its boxes (x, y, width, height) within the image.

    Returns:
        Boxes (x, y, width, height) in the strip, from top to bottom.
    """
    waiting = [(x, y + row, width, height) for row, boxes in images for x, y, width, height in boxes]
    joined: list[Box] = []
    while waiting:
        box = waiting.pop()
        near = [other for other in joined if _meet(box, other)]
        if near:
            joined = [other for other in joined if other not in near]
            waiting.append(_around([box, *near]))
        else:
            joined.append(box)
    return sorted(joined, key=lambda box: (box[1], box[0]))


def _meet(one: Box, other: Box) -> bool:
    return all(
        one[axis] <= other[axis] + other[axis + 2] and other[axis] <= one[axis] + one[axis + 2]
        for axis in (0, 1)
    )


def _around(boxes: Sequence[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right = max(box[0] + box[2] for box in boxes)
    return left, top, right - left, max(box[1] + box[3] for box in boxes) - top
