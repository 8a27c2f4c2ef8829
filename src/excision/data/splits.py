"""Dividing samples in two by their names, in whole groups."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import replace

from excision.data.groups.dividing import name_blocks
from excision.data.records import Sample
from excision.errors import DatasetError

_TEST_SHARE = 0.2


def hold_out(
    samples: Sequence[Sample], share: float = 0.2, seed: int = 0
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Hold a share of the normal training samples out of training, for calibration.

    A group is never divided. The choice depends on the seed and on the names of the groups, not on the order
    of the samples or on their folder.

    Args:
        samples: normal training samples.
        share: share of the samples to hold out, between 0 and 1; matched as closely as whole groups allow.
        seed: another seed gives another choice.

    Returns:
        The samples for training and those for calibration, each in the order of their names; neither is
        empty.

    Raises:
        DatasetError: there are fewer than two groups, so nothing can be held out.
    """
    held = choose_groups((s.group for s in samples), share, seed)
    ordered = sorted(samples, key=lambda s: s.name)
    training = tuple(s for s in ordered if s.group not in held)
    calibration = tuple(s for s in ordered if s.group in held)
    return training, calibration


def hold_out_apart(
    samples: Sequence[Sample], seen: Collection[str], held: Collection[str], share: float = 0.2, seed: int = 0
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Hold samples out as `hold_out` does, but none that networks have been trained on already.

    A group with a seen sample trains. Of the other groups, those with a sample that was held out before are
    held out again, and of the rest the wanted share is.

    Args:
        samples: normal training samples.
        seen: names of those that the networks have been trained on.
        held: names of those that were held out of that training.
        share: share of the other samples to hold out, between 0 and 1.
        seed: another seed gives another choice.

    Returns:
        The samples for training and those for calibration, each in the order of their names; neither is
        empty.

    Raises:
        DatasetError: the networks have been trained on every group, or nothing would be left to train on.
    """
    trained = {sample.group for sample in samples if sample.name in seen}
    again = {sample.group for sample in samples if sample.name in held} - trained
    rest = [sample.group for sample in samples if sample.group not in trained | again]
    if len(set(rest)) > 1:
        again |= choose_groups(rest, share, seed)
    elif not again:
        again = set(rest)
    ordered = sorted(samples, key=lambda sample: sample.name)
    training = tuple(sample for sample in ordered if sample.group not in again)
    calibration = tuple(sample for sample in ordered if sample.group in again)
    if not calibration:
        raise DatasetError(
            "the networks that the training starts from have been trained on every one of these good images: "
            "none can be held out to set the threshold; add good images of other parts, or train from nothing"
        )
    if not training:
        raise DatasetError("every good image is held out, and none is left to train on: add good images")
    return training, calibration


def choose_groups(groups: Iterable[str], share: float, seed: int) -> set[str]:
    """Choose groups that contain about `share` of the samples: at least one group, and never all.

    Args:
        groups: the group of each sample.
        share: wanted share of the samples, between 0 and 1.
        seed: another seed gives another choice.

    Raises:
        DatasetError: there are fewer than two groups.
    """
    sizes = Counter(groups)
    if len(sizes) < 2:
        raise DatasetError(
            f"{_counted(sizes)} cannot be divided: calibration needs normal training images "
            "of at least two different parts; add images"
        )
    ordered = sorted(sizes, key=lambda group: _rank(group, seed))
    wanted = share * sizes.total()
    chosen: set[str] = set()
    count = 0
    for group in ordered[:-1]:
        # Groups are taken as long as each brings the count closer to the wanted one.
        if abs(count + sizes[group] - wanted) < abs(count - wanted):
            chosen.add(group)
            count += sizes[group]
    return chosen or {min(ordered, key=lambda group: sizes[group])}


def make_folds(groups: Iterable[str], count: int, seed: int = 0) -> dict[str, int]:
    """Divide groups into folds with about the same number of samples each, for cross-fitting.

    A group is never divided. The folds depend on the seed and on the names and sizes of the groups, not on
    their order.

    Args:
        groups: the group of each sample.
        count: wanted number of folds; there are as many as groups if that is fewer.
        seed: another seed gives other folds.

    Returns:
        The fold of each group, counted from 0; no fold is empty.
    """
    sizes = Counter(groups)
    filled = [0] * max(1, min(count, len(sizes)))
    folds = {}
    # Large groups first, each into the emptiest fold: the folds then differ least.
    for group in sorted(sizes, key=lambda group: (-sizes[group], _rank(group, seed))):
        fold = filled.index(min(filled))
        folds[group] = fold
        filled[fold] += sizes[group]
    return folds


def with_training(samples: Iterable[Sample], groups: Container[str]) -> list[Sample]:
    """Put the normal samples of some groups into the training split, and leave the others as they are."""
    return [replace(s, split="train") if s.group in groups and not s.defective else s for s in samples]


def with_test_share(samples: list[Sample], notes: list[str]) -> tuple[list[Sample], list[str]]:
    """Put the defects into the test split, together with a fifth of the normal images for comparison.

    Whole groups are taken or, where the data set states none, whole blocks of neighbouring names, so that a
    part or strip is not on both sides.

    Args:
        samples: samples of a data set that has no split of its own.
        notes: notes on it so far.

    Returns:
        The samples with their split, and the notes with a sentence on how they were divided.
    """
    if not any(s.defective for s in samples):
        return samples, [
            *notes,
            "No defects: every image is used for training. None is left for evaluation.",
        ]
    normal = [s for s in samples if not s.defective]
    stated = any(s.group != s.name for s in normal)
    of = {s.name: s.group for s in normal} if stated else name_blocks([s.name for s in normal])
    held = choose_groups(of.values(), _TEST_SHARE, seed=0) if len(set(of.values())) > 1 else set()
    divided = [replace(s, split="test" if s.defective or of[s.name] in held else "train") for s in samples]
    count = sum(s.split == "test" and not s.defective for s in divided)
    what = "groups" if stated else "blocks of neighbouring names"
    whole = f"in whole {what}" if len(set(of.values())) < len(normal) else "chosen by name"
    note = f"{count} of {len(normal)} normal images, {whole}, are used for testing with the defects."
    return divided, [*notes, note]


def _rank(group: str, seed: int) -> bytes:
    """Give a group its random rank, which is the same on every machine and for any set of other groups."""
    return hashlib.sha256(f"{seed}:{group}".encode("utf-8", "surrogateescape")).digest()


def _counted(sizes: Counter[str]) -> str:
    return f"{sizes.total()} images of one part" if sizes else "No images"
