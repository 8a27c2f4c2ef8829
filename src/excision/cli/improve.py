"""`excision improve`: from the labels of a station to a better model, compared with the one in use."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from excision.cli.output import say, say_facts, say_table, say_text
from excision.cli.places import Use
from excision.errors import SettingsError
from excision.progress import Bars

if TYPE_CHECKING:
    from excision.station.improve.doubts import Doubt

app = App(
    name="improve",
    help_epilogue="Collects the parts that people labelled and the original training images, trains on "
    "from the networks of MODEL, sets the threshold on images that these have never seen, exports, and "
    "compares both models on labelled parts that were kept out of every training. Labelled defects sharpen "
    "the attention. Nothing goes live: load the exported folder on the page Models.\n\n"
    "A part that is marked good and looks defective counts for nothing until a second person says the same, "
    "on the page Review or with `--accept`. You can stop at any time; the same command continues.\n\n"
    "```\n"
    "excision improve runs/bracket --station station --data parts/\n"
    "excision improve runs/bracket --station station --data parts/ --deployed line/bracket\n"
    "excision improve runs/bracket --station station --accept 412 --who Costa\n"
    "```",
)

_SHOWN = 20


@app.default
def improve(
    model: Annotated[Path, Parameter(help="Run folder of the model in use.")],
    /,
    *,
    station: Annotated[Path, Parameter(help="Folder of the station: `--data` of `excision serve`.")],
    name: Annotated[
        str | None, Parameter(help="Name of the model at the station. By default that of its folder.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        Parameter(
            help="Folders of the original training images; found by content, wherever they lie in them.",
            negative="",
            consume_multiple=True,
        ),
        Use.READ_ANY,
    ] = None,
    deployed: Annotated[
        Path | None,
        Parameter(help="Exported folder that inspects. By default the run folder is taken to inspect."),
    ] = None,
    out: Annotated[
        Path | None,
        Parameter(help="Folder to work in. By default the next one in STATION/improve/NAME."),
        Use.WRITE,
    ] = None,
    accept: Annotated[
        list[int] | None,
        Parameter(
            help="Numbers of results whose label is right, as a second person says (--who).",
            negative="",
            consume_multiple=True,
        ),
    ] = None,
    who: Annotated[str, Parameter(help="Your name, for --accept.")] = "",
    steps: Annotated[int | None, Parameter(help="Training steps from the networks of the model.")] = None,
    from_nothing: Annotated[
        bool, Parameter(help="Train from nothing, with the settings of the model.", negative="")
    ] = False,
    allow_missing: Annotated[
        bool, Parameter(help="Go on although many original images are missing.", negative="")
    ] = False,
) -> None:
    """Make a better model from the labels of a station, and compare it with the one in use."""
    from excision.station.improve.job import STEPS, Job, next_folder
    from excision.station.improve.steps import carry_out

    called = name or (deployed or model).resolve().name
    if accept:
        _accept(station, accept, who)
    threshold, review_threshold = _thresholds(station, called, deployed)
    job = Job(
        "improve",
        called,
        station,
        run=model,
        deployed=deployed,
        threshold=threshold,
        review_threshold=review_threshold,
        originals=tuple(data or ()),
        steps=STEPS if steps is None else steps,
        from_nothing=from_nothing,
        allow_missing=allow_missing,
        who=who,
    )
    folder = out or next_folder(station, called)
    try:
        with Bars() as bars:
            carry_out(job, folder, bars)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command continues") from None
    _report(folder)


def _accept(station: Path, numbers: list[int], who: str) -> None:
    """Confirm labels as a second person."""
    from excision.station.improve.confirming import confirm

    if not who.strip():
        raise SettingsError("--accept needs --who: the name of the person who looked at the parts")
    for number in numbers:
        label = confirm(station, number, who.strip(), time.time())
        say(f"Result {number}: {who.strip()} also says {label.truth}, as {label.who} did.")


def _thresholds(
    station: Path, name: str, deployed: Path | None
) -> tuple[float, float | None] | tuple[None, None]:
    """Give the thresholds that a person last set for the deployed folder; none for its own."""
    from contextlib import closing

    from excision.inspection.fingerprint import fingerprint
    from excision.station.models.registry import thresholds_of
    from excision.station.store.connection import RESULTS
    from excision.station.store.store import Store

    if deployed is None or not (station / RESULTS).is_file():
        return None, None
    with closing(Store(station / RESULTS)) as store:
        return thresholds_of(store, name, fingerprint(deployed)) or (None, None)


def _report(folder: Path) -> None:
    from excision.station.improve.collection import Collection
    from excision.station.improve.comparing import read_comparison
    from excision.station.improve.job import EXPORT, Standing

    standing, collection, found = Standing.load(folder), Collection.load(folder), read_comparison(folder)
    if collection is None or found is None:
        raise SettingsError(f"{folder}: holds no finished comparison")
    for note in standing.notes:
        say_text(f"Note: {note}")
    _say_doubts(collection.doubts)
    say_facts(
        [
            *_facts(found),
            ("Time", ", ".join(f"{step} {took:.0f} s" for step, took in (standing.seconds or {}).items())),
            ("Challenger", folder / EXPORT),
        ]
    )
    say_table(
        "Champion and challenger",
        ("figure", "before", "new", "change, 95 % interval", "p, adjusted"),
        [_row(row) for row in found["rows"]],
    )
    changed = [each for each in found["images"] if each.changed]
    say(f"{len(changed)} changed verdicts: {folder / 'pictures'}; result: {found['answer']}")


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Give what a comparison rests on, and the thresholds of both models."""
    counts, champion, challenger = found["counts"], found["champion"], found["challenger"]
    return [
        ("Trained on", f"{counts['original']} original images, {counts['train']} new good parts"),
        ("Known defects", str(counts["known"])),
        (
            "Compared on",
            f"{counts['compare_good']} good parts, {counts['compare_defects']} defects, "
            "which neither model was trained on",
        ),
        ("Threshold", f"{champion['threshold']:.6g} before, {challenger['threshold']:.6g}"),
        *_zones(found),
        ("Promise", challenger["promise"]),
    ]


def _row(row: dict[str, Any]) -> list[str]:
    """Give a figure of both models as a row of the table."""
    return [
        row["name"],
        f"{row['old']:.4f}",
        f"{row['new']:.4f}",
        "-" if row["low"] is None else f"{row['low']:+.4f} to {row['high']:+.4f}",
        "-" if row["adjusted"] is None else f"{row['adjusted']:.3f}",
    ]


def _zones(found: dict[str, Any]) -> list[tuple[str, str]]:
    zones = [found[each].get("zone") for each in ("champion", "challenger")]
    if not any(zones):
        return []
    told = [
        "none" if zone is None else f"from {zone['threshold']:.6g} ({zone['parts']} of these parts)"
        for zone in zones
    ]
    rate = next(zone["rate"] for zone in zones if zone is not None)
    return [("Grey zone", f"{told[0]} before, {told[1]}; rate {rate:.2%}")]


def _say_doubts(doubts: tuple[Doubt, ...]) -> None:
    for doubt in doubts[:_SHOWN]:
        say_text(f"Result {doubt.result}, score {doubt.score or 0:.4g}: {doubt.why}")
    if len(doubts) > _SHOWN:
        say(f"... and {len(doubts) - _SHOWN} more")
    if doubts:
        say_text(
            "These labels count for nothing. A second person looks at the parts and confirms them on the "
            "page Review, or with --accept NUMBER --who NAME and another --out.",
        )
