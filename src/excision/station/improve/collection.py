"""Which images an improvement uses, and what for: collected once, then frozen, so that it can be resumed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from excision.data import Dataset, Sample
from excision.data.records import GOOD
from excision.errors import DatasetError
from excision.station.improve.doubts import Doubt
from excision.station.improve.job import COLLECTION
from excision.station.improve.labelled import LabelledPart
from excision.station.improve.originals import Originals
from excision.system.files import sha256, write_json
from excision.system.strict_json import read_json

Role = Literal["original", "train", "known", "compare"]
"""What an image is for: an original training image, a new good one, a known defect that sharpens the
attention, or kept out of every training to compare models."""

COMPARED_GOOD, COMPARED_DEFECTS = 0.3, 0.5
"""Shares of the newly labelled parts, in whole groups, that are kept out to compare models."""

_MOST = 256 * 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Member:
    """An image.

    Attributes:
        name: what the training calls it.
        path: its file.
        digest: SHA-256 of the file.
        defective: what the last label says.
        role: what it is for.
        group: images of one group show the same part, strip or moment.
        result: number of its result; None for an original.
    """

    name: str
    path: Path
    digest: str
    defective: bool
    role: Role
    group: str
    result: int | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """The images of an improvement.

    Attributes:
        members: the images.
        doubts: labels that count for nothing until a second person confirms them.
        missing: names of original images that were not found.
        notes: what a person should know, one sentence each.
        given_groups: True if the groups were given with the training, not found from the images.
    """

    members: tuple[Member, ...]
    doubts: tuple[Doubt, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    given_groups: bool = True

    def of(self, *roles: Role) -> tuple[Member, ...]:
        """Give the images with one of some roles."""
        return tuple(member for member in self.members if member.role in roles)

    def dataset(self, root: Path) -> Dataset:
        """Give the images as a data set: the good ones train, and those that compare are its test images."""
        samples = [
            Sample(
                name=member.name,
                image=member.path,
                split="test" if member.role == "compare" else "train",
                label="defect" if member.defective else GOOD,
                mask=None,
                group=member.group,
            )
            for member in self.of("original", "train", "compare")
        ]
        return Dataset(root, "station", tuple(sorted(samples, key=lambda sample: sample.name)))

    def groups(self) -> dict[str, str]:
        """Give the group of each good image that trains, by its name."""
        return {member.name: member.group for member in self.of("original", "train")}

    def check(self) -> None:
        """Look whether every file is still what it was.

        Raises:
            DatasetError: one is gone or has changed.
        """
        for member in self.members:
            try:
                same = sha256(member.path) == member.digest
            except OSError as error:
                raise DatasetError(
                    f"{member.path}: is needed and cannot be read ({error.strerror})"
                ) from error
            if not same:
                raise DatasetError(f"{member.path}: has changed since the images were collected")

    def save(self, out: Path) -> None:
        """Write it."""
        content = asdict(self)
        for member in content["members"]:
            member["path"] = str(member["path"].absolute())
        write_json(out / COLLECTION, content)

    @classmethod
    def load(cls, out: Path) -> Self | None:
        """Read it; None if nothing was collected.

        Raises:
            DatasetError: it is damaged.
        """
        if not (out / COLLECTION).is_file():
            return None
        try:
            content: dict[str, Any] = read_json(out / COLLECTION, _MOST)
            return cls(
                tuple(Member(**{**each, "path": Path(each["path"])}) for each in content["members"]),
                tuple(Doubt.from_json(each) for each in content["doubts"]),
                tuple(map(str, content["missing"])),
                tuple(map(str, content["notes"])),
                bool(content["given_groups"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(f"{out / COLLECTION}: is damaged ({error!r}): remove it") from error


def assemble(
    originals: Originals,
    groups: Mapping[str, str],
    parts: Sequence[LabelledPart],
    part_groups: Mapping[str, str],
    seen: Iterable[str],
    earlier: Collection | None,
) -> tuple[Member, ...]:
    """Give each image its role; an image that is there twice counts once.

    An original image that is now labelled a defect leaves the training: it becomes a known defect. Whole
    groups of labelled parts are kept out to compare models. What an earlier improvement kept out stays out,
    and what the model in use was trained on trains again, so that neither model of a comparison has seen what
    is compared.

    Args:
        originals: images of the model in use.
        groups: group of each of these by its name; an image without one is a group of its own.
        parts: labelled parts without doubts.
        part_groups: group of each part by its name.
        seen: SHA-256 of the images that the model in use, or one that it was trained on from, has seen.
        earlier: collection of the model in use; None if it was trained otherwise.
    """
    defective = {part.digest for part in parts if part.truth == "defect"}
    members = [
        Member(name, path, originals.hashes[name], False, "original", groups.get(name, name))
        for name, path in originals.good.items()
        if originals.hashes[name] not in defective
    ]
    members += [
        Member(f"known/{name}", path, originals.hashes[name], True, "known", f"known/{name}")
        for name, path in originals.defects.items()
    ]
    there = {member.digest for member in members}
    seen = {*seen, *originals.hashes.values()}
    before = {} if earlier is None else {member.digest: member.role for member in earlier.members}
    new = []
    for part in parts:
        if part.digest not in there:
            there.add(part.digest)
            group = part_groups.get(part.name, part.name)
            new.append(_member(part, group))
    return (*members, *_with_roles(new, seen, before))


def _member(part: LabelledPart, group: str) -> Member:
    bad = part.truth == "defect"
    return Member(part.name, part.image, part.digest, bad, "known" if bad else "train", group, part.result)


def _with_roles(new: Sequence[Member], seen: set[str], before: Mapping[str, Role]) -> list[Member]:
    """Choose the groups that are kept out for comparison."""
    trained = {m.group for m in new if m.digest in seen or before.get(m.digest) in ("train", "known")}
    kept = {m.group for m in new if before.get(m.digest) == "compare"} - trained
    chosen = set(kept)
    for bad, share in ((True, COMPARED_DEFECTS), (False, COMPARED_GOOD)):
        # A group with both kinds counts among the defects, which are rarer.
        sizes = Counter(m.group for m in new)
        kinds = {m.group for m in new if m.defective}
        mine = {group for group in sizes if (group in kinds) == bad}
        free = sorted(mine - trained - kept, key=_rank)
        wanted, have = share * sum(sizes[group] for group in mine), sum(sizes[g] for g in mine & kept)
        for group in free:
            if have + sizes[group] / 2 > wanted and have:
                break
            chosen.add(group)
            have += sizes[group]
    return [replace(member, role="compare") if member.group in chosen else member for member in new]


def _rank(group: str) -> bytes:
    """Give a group its random rank, which is the same on every machine."""
    return hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest()
