"""Nearest neighbours in a set of points, and the choice of few points that cover many."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

_QUERIES = 512  # whose distances to the whole bank are computed at a time


def nearest(queries: Tensor, bank: Tensor, squares: Tensor) -> Tensor:
    """Find the nearest neighbour in a bank of each query.

    Args:
        queries: (N, D).
        bank: (M, D).
        squares: (M,), the squared lengths of the bank's rows.

    Returns:
        (N,), indices into the bank.
    """
    return torch.addmm(squares, queries, bank.T, alpha=-2).min(dim=1).indices


def nearest_distances(queries: Tensor, bank: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
    """Find the nearest neighbour in a bank of each query.

    Args:
        queries: (N, D).
        bank: (M, D).
        squares: (M,), the squared lengths of the bank's rows.

    Returns:
        Euclidean distances (N,) and indices into the bank (N,).
    """
    parts = (queries[start : start + _QUERIES] for start in range(0, len(queries), _QUERIES))
    places = torch.cat([nearest(part, bank, squares) for part in parts])
    # The product is fast but loses digits near zero: the distance to the row it found is computed directly.
    return torch.linalg.vector_norm(queries - bank[places], dim=1), places


def project(points: Tensor, draw: torch.Generator, dimensions: int = 128) -> Tensor:
    """Project (N, D) onto random directions, about preserving distances (Johnson-Lindenstrauss; section 3.2).

    Returns:
        (N, `dimensions`), or the points unchanged if D is not larger.
    """
    if points.shape[1] <= dimensions:
        return points
    directions = torch.randn(points.shape[1], dimensions, generator=draw) / math.sqrt(dimensions)
    return points @ directions.to(points.device)


def greedy_coreset(
    points: Tensor, count: int, first: int, chosen: Callable[[int], None] = lambda _: None
) -> Tensor:
    """Choose points so that no point is far from a chosen one, by always adding the farthest point.

    Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985; PatchCore, algorithm 1.

    Args:
        points: (N, D).
        count: how many to choose, at most N.
        first: index of the first point to choose.
        chosen: called with the number of points chosen so far.

    Returns:
        (`count`,), distinct indices in the order of choice.
    """
    squares = points.square().sum(dim=1)
    distances = torch.full_like(squares, math.inf)
    fresh = torch.empty_like(squares)
    places = torch.empty(count, dtype=torch.long, device=points.device)
    place = torch.tensor(first, device=points.device)
    for number in range(count):
        places[number] = place
        torch.addmv(squares, points, points[place], alpha=-2, out=fresh)
        torch.minimum(distances, fresh.add_(squares[place]), out=distances)
        # Not zero: with rounding, other distances may fall below zero, and duplicates are at zero as well.
        distances[place] = -math.inf
        place = distances.argmax()
        chosen(number + 1)
    return places
