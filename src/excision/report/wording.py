"""The cover of a report in words: what was inspected, detected and missed, and whether the promise held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from excision.method.calibration import words
from excision.report.drift_charts import read_drift
from excision.report.numbers import count, figure, percent
from excision.report.promises import promised
from excision.report.results_folder import Promise, ResultsFolder, Summary
from excision.report.statement import Counts, statement

_MOST_KINDS = 8

_FIGURES = {
    "image_auroc": ("Image AUROC", "0.5 is chance, 1 perfect"),
    "image_ap": ("Image AP", "average precision"),
    "aupro": ("AUPRO", "up to 30 % false-positive rate"),
    "pixel_auroc": ("Pixel AUROC", "0.5 is chance, 1 perfect"),
    "pixel_ap": ("Pixel AP", "average precision"),
    "image_f1_max": ("Image F1", "best over all thresholds"),
}
"""Figures of `evaluation.json` that are shown where the data determine them."""


@dataclass(frozen=True, slots=True)
class Card:
    """A headline figure.

    Attributes:
        name: what it is.
        value: the formatted figure.
        hint: one short line on how to read it.
    """

    name: str
    value: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Cover:
    """The first page.

    Attributes:
        title: heading.
        headline: the result in one sentence.
        statements: topics, each with one or two sentences.
        cards: headline figures.
        facts: names and values: the data and the thresholds.
        stated: topics and sentences of the statement of an evaluation.
    """

    title: str
    headline: str
    statements: tuple[tuple[str, str], ...]
    cards: tuple[Card, ...]
    facts: tuple[tuple[str, str], ...]
    stated: tuple[tuple[str, str], ...] = ()


def cover(results: ResultsFolder, summary: Summary) -> Cover:
    """Describe the results."""
    if results.about.kind == "evaluation":
        return _evaluation(results, summary)
    if results.about.searched is not None:
        return _suspects(results, summary, results.about.searched)
    return _inspection(results, summary)


def _evaluation(results: ResultsFolder, summary: Summary) -> Cover:
    figures, about, counts = results.figures, results.about, Counts.of(summary)
    kinds = {name: (k["images"], k["detected"]) for name, k in figures.get("kinds", {}).items()}
    details = []
    if len(kinds) > 1:
        details.append(("Kinds of defect", _kinds(list(kinds))))
    if counts.defective:
        details.append(("Missed", _missed(counts, kinds)))
    if counts.unfit:
        details.append(("Unfit", _unfit(counts)))
    if figures.get("image_auroc") is not None:
        details.append(("Ranking", _ranking(figures)))
    return Cover(
        f"Evaluation of {about.subject}",
        _evaluation_headline(counts),
        tuple(details),
        tuple(_evaluation_cards(figures, counts, about.promise)),
        tuple(_facts(results)),
        statement(results, counts),
    )


def _evaluation_headline(counts: Counts) -> str:
    parts = []
    if counts.defective:
        parts.append(f"{counts.found:,} of {count(counts.defective, counts.named('defective'))} found")
    if counts.good:
        parts.append(f"{counts.alarms:,} of {count(counts.good, counts.named('good'))} called defective")
    if counts.unfit:
        parts.append(f"{counts.unfit:,} unfit")
    sentence = ", ".join(parts) or "No image could be inspected"
    return sentence[0].upper() + sentence[1:] + "."


def _kinds(kinds: list[str]) -> str:
    named = ", ".join(kinds[:_MOST_KINDS]) + (", ..." if len(kinds) > _MOST_KINDS else "")
    return f"{named}."


def _missed(counts: Counts, kinds: dict[str, tuple[int, int]]) -> str:
    missed = counts.defective - counts.found
    if not missed:
        return "Nothing: every defective image was found."
    missed_of = f"{missed:,} of {count(counts.defective, counts.named('defective'))}"
    if len(kinds) == 1:
        return f"{missed_of}."
    worst = sorted(((n - found, n, kind) for kind, (n, found) in kinds.items() if n > found), reverse=True)
    told = "; ".join(f"{lost} of {n} {kind}" for lost, n, kind in worst[:_MOST_KINDS])
    rest = "; and others" if len(worst) > _MOST_KINDS else ""
    return f"{missed_of}: {told}{rest}."


def _unfit(counts: Counts) -> str:
    good, defective = counts.good + counts.unfit_good, counts.defective + counts.unfit_defective
    return (
        f"{counts.unfit_good:,} of {count(good, 'good image')} and {counts.unfit_defective:,} of "
        f"{count(defective, 'defective image')} are not as the training images are. They get no verdict on "
        "the part, and they count neither as false alarms nor as found or missed defects."
    )


def _ranking(figures: dict[str, Any]) -> str:
    auroc, found = figures["image_auroc"], figures.get("aupro")
    place = f" Defects are located with an AUPRO of {figure(found)}." if found is not None else ""
    return (
        f"A defective image has a higher anomaly score than a good one in {percent(auroc)} of all pairs "
        f"(image AUROC {figure(auroc)}; image AP {figure(figures.get('image_ap'))}).{place}"
    )


def _evaluation_cards(figures: dict[str, Any], counts: Counts, promise: Promise | None) -> Iterator[Card]:
    found = f"{counts.found:,} of {counts.defective:,}"
    alarms = f"{counts.alarms:,} of {counts.good:,}"
    yield Card(
        "Detection rate", percent(figures.get("detection_rate")), f"{found} {counts.named('defective')}s"
    )
    yield Card(
        "False-alarm rate", percent(figures.get("false_alarm_rate")), f"{alarms} {counts.named('good')}s"
    )
    if promise is not None:
        known = promise.confidence
        sure = "on average" if known is None else f"with {words.percent(known)} confidence"
        yield Card("Promised at most", words.at_most(promise.promised_rate), sure)
    if counts.unfit:
        told = f"{counts.unfit_good:,} good, {counts.unfit_defective:,} defective"
        yield Card("Unfit", f"{counts.unfit:,}", told)
    for name, (words_of, hint) in _FIGURES.items():
        # The notes say why the data do not determine the others.
        if figures.get(name) is not None:
            yield Card(words_of, figure(figures[name]), hint)
    if isinstance(figures.get("ms_per_image"), float):
        yield Card("Time per image", _time(figures["ms_per_image"]), "median, image to verdict")


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.3g} ms" if milliseconds < 999.5 else f"{milliseconds / 1000:.3g} s"


def _inspection(results: ResultsFolder, summary: Summary) -> Cover:
    numbers = {verdict: summary.counts[None, verdict] for verdict in ("good", "review", "defect", "unfit")}
    failed = sum(summary.counts.values()) - sum(numbers.values())
    total = sum(numbers.values())
    grey = f", {numbers['review']:,} to review" if numbers["review"] else ""
    grey += f", {numbers['unfit']:,} unfit" if numbers["unfit"] else ""
    statements = [("Inspected", f"{count(total + failed)}: {_verdicts(numbers)}.")]
    if results.about.promise is not None:
        statements.append(
            (
                "False alarms",
                promised(results.about.promise),
            )
        )
    drift = read_drift(results.folder)
    if drift is not None:
        statements.append(("Drift", _drift(drift)))
    if numbers["unfit"]:
        unfit = f"{count(numbers['unfit'])}, not as the training images are: no verdict on the part."
        statements.append(("Unfit", unfit))
    if failed:
        statements.append(("Not inspected", f"{count(failed)}; see below for the reasons."))
    # These cards are shown only if there are such images.
    unfit_cards = (
        [Card("Unfit", f"{numbers['unfit']:,}", "no verdict on the part")] if numbers["unfit"] else []
    )
    review = [Card("To review", f"{numbers['review']:,}", "in the grey zone")] if numbers["review"] else []
    cards = (
        Card("Defective", f"{numbers['defect']:,}", "score above the threshold"),
        *review,
        *unfit_cards,
        Card("Good", f"{numbers['good']:,}", "score at or below it"),
        Card("Not inspected", f"{failed:,}", "see the notes" if failed else "none"),
    )
    verb = "is" if numbers["defect"] == 1 else "are"
    headline = f"{numbers['defect']:,} of {count(total)} {verb} defective{grey}."
    return Cover("Inspection", headline, tuple(statements), cards, tuple(_facts(results)))


def _suspects(results: ResultsFolder, summary: Summary, searched: int) -> Cover:
    found = sum(summary.counts.values())
    above = summary.counts[None, "defect"]
    verb = "looks" if found == 1 else "look"
    told = (
        f"{count(searched, 'image')} of the training data that were given as good. Each was scored by "
        "statistics that leave its group out."
    )
    cards = (
        Card("Suspects", f"{found:,}", f"of {count(searched, 'good image')}"),
        Card("Above the threshold", f"{above:,}", "would be called defective"),
        Card("At or below it", f"{found - above:,}", "far above the other good images all the same"),
    )
    return Cover(
        "Suspects among the good training images",
        f"{found:,} of {count(searched, 'good training image')} {verb} defective.",
        (("Searched", told),),
        cards,
        tuple(_facts(results)),
    )


def _drift(drift: dict[str, Any]) -> str:
    # Results of earlier versions say only what was found, in the order of inspection.
    said = drift["standing"]
    found = f"I{said[1:]}." if said.startswith("in the order of ") else f"In the order of inspection, {said}."
    doubt = (
        "" if drift["warning"] is None else " The promise on false alarms holds only for images as before."
    )
    return f"{found}{doubt} {drift['promise']}"


def _verdicts(numbers: dict[str, int]) -> str:
    grey = f"{numbers['review']:,} to review, " if numbers["review"] else ""
    unfit = f"{numbers['unfit']:,} unfit, " if numbers["unfit"] else ""
    return f"{numbers['defect']:,} defective, {grey}{unfit}{numbers['good']:,} good"


def _facts(results: ResultsFolder) -> Iterator[tuple[str, str]]:
    about = results.about
    if about.kind == "evaluation":
        yield "Data set", str(about.subject)
    if about.layout:
        yield "Layout", about.layout
    yield "Threshold", "none" if about.threshold is None else f"{about.threshold:.4g}"
    if about.review_threshold is not None:
        yield "Review from", f"{about.review_threshold:.4g}"
    if about.date:
        yield "Date", about.date
