"""What the networks that a training starts from have seen: such images cannot set a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The networks that a training starts from.

    Attributes:
        weights: SHA-256 of the file of their weights.
        seen: SHA-256 of every good image that they, or networks that they were trained on from, were trained
            on.
        held_out: SHA-256 of the good images that were held out of their training.
    """

    weights: str
    seen: frozenset[str]
    held_out: frozenset[str]

    def to_json(self) -> dict[str, Any]:
        """Give what a run folder records."""
        return {"weights": self.weights, "seen": sorted(self.seen), "held_out": sorted(self.held_out)}

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Read what a run folder records.

        Raises:
            ValueError: it is something else.
        """
        try:
            weights, seen, held = content["weights"], content["seen"], content["held_out"]
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{error!r}") from error
        lists = isinstance(seen, list) and isinstance(held, list)
        if not lists or not all(isinstance(digest, str) for digest in (weights, *seen, *held)):
            raise ValueError("these are not hashes")
        return cls(weights, frozenset(seen), frozenset(held))
