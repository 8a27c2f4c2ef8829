"""`excision capture`: a first training set from a camera."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from excision.cli.camera_options import CameraOptions
from excision.cli.output import say, say_text

if TYPE_CHECKING:
    from excision.cameras.camera import CameraSettings
    from excision.cameras.collecting import Collected
    from excision.cameras.hints import Hint

app = App(
    name="capture",
    help_epilogue="Saves pictures of good parts as `OUT/good/*.png`, and says what to mind: light, focus, "
    "motion. A picture that looks like the last one is skipped, because the same part twice teaches nothing. "
    "Ctrl-C stops; run the same command again to continue. A password stands in a file of its own.\n\n"
    "```\n"
    "excision capture --list\n"
    "excision capture --good 200 --out parts/ --camera genicam --exposure-us 2000\n"
    "excision capture --good 200 --out parts/ --file station.toml --camera front\n"
    "```",
)

_SHOWN = 5


@app.default
def capture(
    *,
    good: Annotated[
        int, Parameter(help="Pictures of good parts to collect, those in --out among them.")
    ] = 200,
    out: Annotated[Path | None, Parameter(help="Folder to write; its good/ takes the pictures.")] = None,
    camera: CameraOptions | None = None,
    every: Annotated[float, Parameter(help="Seconds between two pictures that are kept, at least.")] = 0.0,
    keep_all: Annotated[
        bool, Parameter(help="Keep also pictures that look like the last one.", negative="")
    ] = False,
    wait: Annotated[float, Parameter(help="Seconds in which the first picture must come.")] = 10.0,
    list_: Annotated[
        bool, Parameter(name="--list", help="Only show which cameras can be found.", negative="")
    ] = False,
) -> None:
    """Collect a first training set from a camera, with hints on light, focus and motion."""
    if list_:
        _list()
        return
    from excision.errors import SettingsError

    if out is None:
        raise SettingsError("--out is missing: give the folder that the pictures are written to")
    if good < 1 or every < 0 or wait <= 0:
        raise SettingsError("--good and --wait must be above 0, and --every at least 0")
    name, settings = (camera or CameraOptions()).settings()
    collected = _collect(name, settings, out, good, every, keep_all, wait)
    _tell(collected, out)


def _collect(
    name: str, settings: CameraSettings, out: Path, good: int, every: float, keep_all: bool, wait: float
) -> Collected:
    from contextlib import closing

    from excision.cameras.camera import open_camera
    from excision.cameras.collecting import Listeners, collect
    from excision.cameras.hints import ADVICE
    from excision.progress import Bars
    from excision.system.interrupts import requests_to_stop

    with requests_to_stop() as request, closing(open_camera(name, settings)) as camera, Bars() as bars:
        said: list[Hint] = []

        def progress(collected: Collected, hints: list[Hint], skipped: bool) -> None:
            figures = f"focus {collected.focus:.0%} of the best"
            figures += "  looks like the last one" if skipped else ""
            bars.stage("good parts", collected.there, collected.wanted, "  ".join([figures, *hints]))
            for hint in hints:
                if hint not in said:
                    bars.say(f"{hint}: {ADVICE[hint]}")
            said[:] = hints

        camera.start()
        listeners = Listeners(lambda: request.asked, progress, bars.say)
        collected = collect(camera, out, good, keep_all=keep_all, every=every, wait=wait, listeners=listeners)
        state = camera.state()
    if state.damaged:
        say(f"{state.damaged} pictures were damaged, and left out: {state.fault or 'see above'}")
    return collected


def _tell(collected: Collected, out: Path) -> None:
    from excision.cameras.collecting import GOOD

    if collected.skipped:
        say_text(
            f"Skipped {collected.skipped} pictures that looked like the last one; --keep-all keeps them."
        )
    for hint, paths in collected.hinted.items():
        names = ", ".join(path.name for path in paths[:_SHOWN])
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        say(f"{hint}: {names}{more}")
    say(f"{collected.there} of {collected.wanted} good parts are in {out / GOOD}")
    if collected.stopped:
        raise KeyboardInterrupt("stopped; run the same command again to continue")
    say_text(f"Look at them, remove those that show a defect, and continue: excision check {out}")


def _list() -> None:
    from excision.cameras.search import find_cameras

    for kind, found, fault in find_cameras():
        if fault is not None:
            say(f"{kind:<8} {fault}")
        elif not found:
            say(f"{kind:<8} none found")
        for name, description in found:
            say(f"{kind:<8} {name}  ({description})")
    say("http, video and folder take an address or a path: see excision capture --help")
