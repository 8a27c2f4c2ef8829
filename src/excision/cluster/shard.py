"""Which parts of an inspection one job does, out of several."""

from __future__ import annotations

import re
from dataclasses import dataclass

from excision.errors import SettingsError

_FORM = re.compile(r"(\d{1,9})/(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Shard:
    """The share of one job: every `count`-th part.

    Attributes:
        index: number of the job, 1 to `count`.
        count: number of jobs.
    """

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise SettingsError(f"--shard {self}: give the number of this job and of all jobs, such as 1/4")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read a text such as "3/16".

        Raises:
            SettingsError: it is none.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise SettingsError(
                f"--shard {text}: give the number of this job and of all jobs, such as 1/4 to 4/4"
            )
        return cls(int(found[1]), int(found[2]))

    def parts(self, parts: int) -> range:
        """Give the numbers of the parts of this job, out of that many parts."""
        return range(self.index - 1, parts, self.count)
