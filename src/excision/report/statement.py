"""The one statement at the head of an evaluation: what was found, what was promised, from how many images."""

from __future__ import annotations

from dataclasses import dataclass

from excision.evaluation.intervals import rate_interval
from excision.report.numbers import count, percent
from excision.report.promises import Measured, false_alarms, promised
from excision.report.results_folder import ResultsFolder, Summary


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of fit images, of those of them with an alarm, which is the verdict "defect", and of others."""

    good: int
    alarms: int
    defective: int
    found: int
    unfit_good: int
    unfit_defective: int
    failed: int

    @property
    def unfit(self) -> int:
        """Number of unfit images."""
        return self.unfit_good + self.unfit_defective

    @property
    def inspected(self) -> int:
        """Number of images with a verdict."""
        return self.good + self.defective + self.unfit

    def named(self, truth: str) -> str:
        """Name the images that rates are of: where there are unfit ones, the others."""
        return f"fit {truth} image" if self.unfit else f"{truth} image"

    @classmethod
    def of(cls, summary: Summary) -> Counts:
        """Count the images of an evaluation."""

        def total(good: bool, *verdicts: str) -> int:
            return sum(
                n for (label, v), n in summary.counts.items() if v in verdicts and (label == "good") == good
            )

        scored = ("good", "review", "defect")
        return cls(
            good=total(True, *scored),
            alarms=total(True, "defect"),
            defective=total(False, *scored),
            found=total(False, "defect"),
            unfit_good=total(True, "unfit"),
            unfit_defective=total(False, "unfit"),
            failed=sum(n for (_, verdict), n in summary.counts.items() if verdict is None),
        )


def statement(results: ResultsFolder, counts: Counts) -> tuple[tuple[str, str], ...]:
    """State an evaluation in a few sentences, each with its topic; what is not known is left out.

    Every rate has its number of images and its interval; the promise has its confidence, the number of images
    and groups that it comes from, and what it assumes.
    """
    about = results.about
    told = [("Inspected", _inspected(results, counts))]
    if counts.defective:
        told.append(("Defects", _found(counts)))
    if counts.good:
        measured = Measured(
            counts.alarms, counts.good, counts.named("good"), results.figures.get("normal_groups")
        )
        told.append(("False alarms", false_alarms(measured, about.promise)))
    elif about.promise is not None:
        told.append(("False alarms", promised(about.promise)))
    return tuple(told)


def _inspected(results: ResultsFolder, counts: Counts) -> str:
    about, source = results.about, results.about.provenance
    model = "The model"
    if source is not None and source.model is not None:
        model = f"Model {source.model.name}, version {source.model.version},"
    at = "" if about.threshold is None else f" at the threshold {about.threshold:.4g}"
    on = f" on {about.date}" if about.date else ""
    good, defective = counts.good + counts.unfit_good, counts.defective + counts.unfit_defective
    told = (
        f"{model} inspected {count(counts.inspected)} of {about.subject}{on}{at}: {good:,} good and "
        f"{defective:,} with a known defect. The threshold was set on good images before this test."
    )
    if counts.unfit:
        told += f" {count(counts.unfit)} {_was(counts.unfit)} unfit and got no verdict on the part."
    if counts.failed:
        told += f" {count(counts.failed)} could not be inspected."
    return told


def _found(counts: Counts) -> str:
    low, high = rate_interval(counts.found, counts.defective)
    images, share = count(counts.defective, counts.named("defective")), counts.found / counts.defective
    return (
        f"{counts.found:,} of {images} {_was(counts.found)} found, {percent(share)} "
        f"(95 % interval {percent(low)} to {percent(high)})."
    )


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
