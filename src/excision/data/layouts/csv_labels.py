"""What the labels of a table mean: which are good, and what 0 and 1 stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from excision.data.layouts.annotated import GOOD_WORDS, means_good
from excision.data.records import GOOD
from excision.errors import DatasetError

_FLAGS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
"""Labels that only say whether there is a defect; in lower case."""

_LISTED = 8


def understand(labels: Sequence[str], masked: Sequence[bool], table: Path) -> tuple[dict[str, str], str]:
    """Find out what labels mean.

    Args:
        labels: the label of each row as it is written.
        masked: whether the row names a mask.
        table: the file, for messages.

    Returns:
        The label of a sample for each written one, and a sentence that says so.

    Raises:
        DatasetError: the labels are numbers other than 0 and 1, none is good, or 0 seems to mean the defects.
    """
    counts = Counter(labels)
    if (
        all(_is_number(label) for label in counts)
        and not {label.lower() for label in counts} <= _FLAGS.keys()
    ):
        raise DatasetError(
            f"{table}: the labels are numbers ({_listed(sorted(counts))}), and only "
            "0 (good) and 1 (defect) have a known meaning; write good for good images, and the kind of "
            "defect for the others"
        )
    meaning = {label: _meaning(label) for label in counts}
    if counts and GOOD not in meaning.values():
        raise DatasetError(
            f"{table}: no label means good, so there is no normal one to train on; the labels are "
            f"{_listed(sorted(counts))}. As good count {', '.join(sorted(GOOD_WORDS))}, 0 and false"
        )
    _refuse_reversed(labels, masked, table)
    return meaning, _sentence(counts, meaning)


def _meaning(label: str) -> str:
    plain = label.lower()
    if plain in _FLAGS:
        return "defect" if _FLAGS[plain] else GOOD
    return GOOD if means_good(label) else label


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return label.lower() in _FLAGS
    return True


def _refuse_reversed(labels: Sequence[str], masked: Sequence[bool], table: Path) -> None:
    """Refuse 0 and 1 (or false and true) if masks are named only where the flag says good."""
    rows = [(_FLAGS.get(label.lower()), mask) for label, mask in zip(labels, masked, strict=True)]
    defects = [mask for flag, mask in rows if flag is True]
    if defects and not any(defects) and any(mask for flag, mask in rows if flag is False):
        raise DatasetError(
            f"{table}: 0 and false are read as good, 1 and true as defect, but masks are named only for the "
            "former; write good and the kinds of defect instead"
        )


def _sentence(counts: Mapping[str, int], meaning: Mapping[str, str]) -> str:
    good = [label for label in sorted(counts) if meaning[label] == GOOD]
    bad = [label for label in sorted(counts) if meaning[label] != GOOD]
    defects = f"; as defects: {_listed(bad)}" if bad else ""
    return f"Labels that count as good: {_listed(good)}{defects}."


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else ""
    return ", ".join(f'"{label[:60]}"' for label in labels[:_LISTED]) + more
