"""Reports as results of the companion specification, and the last ones of them for queries."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from asyncua import ua

from excision.signals.opcua.types import Types
from excision.signals.signal import Report
from excision.version import __version__

COMPLETED, FAILED = 1, 4
"""States of a result by the specification: there is a verdict, or there is none."""

CONFIGURATION = f"excision-{__version__}"
"""Identity of the only configuration: the version of the program."""

_JOBS = 4096


@dataclass(frozen=True, slots=True)
class Job:
    """What a client said about a job.

    Attributes:
        meas: identity of its measurement, which comes back with the result.
        product: identity of its product, which comes back with the result.
    """

    meas: str = ""
    product: str = ""


class Results:
    """The last results of a server.

    Args:
        types: of its address space.
        most: results kept.
    """

    def __init__(self, types: Types, most: int) -> None:
        self._types, self._most = types, most
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._jobs: OrderedDict[int, Job] = OrderedDict()

    def remember(self, trigger: int, job: Job) -> None:
        """Remember what a client said about a job."""
        self._jobs[trigger] = job
        while len(self._jobs) > _JOBS:
            self._jobs.popitem(last=False)

    def add(self, report: Report) -> Any:
        """Make a result of a report, and keep it; the same report again replaces itself."""
        result = self._result(report)
        self._kept[report.id] = result
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return result

    def get(self, number: str) -> Any | None:
        """Give a result by its identity."""
        return self._kept.get(number)

    def find(self, state: int, wanted: dict[str, str], most: int, first: int) -> tuple[bool, list[Any]]:
        """Give the results with some identities, the latest first.

        Args:
            state: of the results; 0 for any.
            wanted: identities by the names of the fields; an empty one is any.
            most: results; 0 for all.
            first: index of the first one.

        Returns:
            Whether these are all from the first one on, and the results.
        """
        found = [
            result
            for result in reversed(self._kept.values())
            if state in {0, result.ResultState}
            and all(_identity(result, name) == value for name, value in wanted.items() if value)
        ]
        shown = list(islice(found, first, first + most if most else None))
        return first + len(shown) >= len(found), shown

    def _result(self, report: Report) -> Any:
        make = self._types.make
        job = self._jobs.get(report.trigger or 0, Job())
        made = datetime.fromtimestamp(report.time, UTC)
        started = datetime.fromtimestamp(report.triggered or report.time, UTC)
        return make(
            "ResultDataType",
            ResultId=make("ResultIdDataType", Id=report.id),
            HasTransferableDataOnFile=False,
            IsPartial=False,
            IsSimulated=False,
            ResultState=ua.Int32(FAILED if report.verdict == "fault" else COMPLETED),
            MeasId=make("MeasIdDataType", Id=job.meas) if job.meas else None,
            PartId=make("PartIdDataType", Id=report.serial) if report.serial else None,
            InternalRecipeId=make("RecipeIdInternalDataType", Id=report.recipe or ""),
            ProductId=make("ProductIdDataType", Id=job.product) if job.product else None,
            InternalConfigurationId=make("ConfigurationIdDataType", Id=CONFIGURATION),
            JobId=make("JobIdDataType", Id=str(report.trigger or "")),
            CreationTime=made,
            ProcessingTimes=make("ProcessingTimesDataType", StartTime=started, EndTime=made),
            ResultContent=_content(report),
        )


def _content(report: Report) -> list[ua.Variant]:
    number = ua.VariantType.Double
    figures = [report.score, report.threshold, report.p_value]
    return [
        ua.Variant(report.verdict, ua.VariantType.String),
        ua.Variant(report.result or 0, ua.VariantType.UInt32),
        *(ua.Variant(float("nan") if one is None else one, number) for one in figures),
        ua.Variant(report.reason, ua.VariantType.String),
        ua.Variant(json.dumps(report.to_json()), ua.VariantType.String),
    ]


def _identity(result: Any, name: str) -> str:
    value = getattr(result, name)
    return "" if value is None else value.Id or ""
