"""Kill a station again and again while a PLC triggers it, and look for parts and triggers without an answer.

    PYTHONPATH=src:. python experiments/kill_plc.py line/parts images/ [--kills 20] [--seed 0]

A PLC triggers part after part by Modbus TCP, with a serial number of its own for each; a folder stands for
each camera of a part with two views. The station dies with `kill -9` at random moments and is started again
in the same folder, while the PLC goes on. At the end,

- each part has exactly one answer, a verdict or "no verdict", which is that of a report on this part;
- each trigger that the station has accepted has exactly one report, a verdict or a fault.

Ends with status 1 if not.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from kill_outcome import Outcome, try_line
from plc_program import Answer, PlcProgram

from excision.station.store.connection import RESULTS
from excision.station.store.store import Store
from tests.signals.stand_in import free_port, wait_for
from tests.station.conftest import begin, end

STATION = """
[cameras.front]
kind = "folder"
path = "{images}"
loop = true
[cameras.back]
kind = "folder"
path = "{images}"
loop = true
[signals]
deadline = "{deadline}"
heartbeat = "200 ms"
[signals.modbus]
port = {port}
result_timeout = "60 s"
acknowledge_timeout = "60 s"
release_timeout = "60 s"
"""


def main() -> int:
    return try_line(__doc__, trial, "answers to the PLC")


def trial(model: Path, images: Path, kills: int, seed: int, deadline: str) -> tuple[Outcome, Counter[str]]:
    """Kill the station so many times, start it once more, and compare answers, triggers and reports."""
    start, moments = time.perf_counter(), random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        file = folder / "station.toml"
        file.write_text(STATION.format(images=images.absolute(), port=port, deadline=deadline), "utf-8")
        plc = PlcProgram(port)
        plc.start()
        for number in range(1, kills + 1):
            before = len(plc.answers)
            service = begin(f"fabric={model}", folder / "data", "--file", file)
            time.sleep(moments.uniform(0.2, 1.7))
            service.process.kill()
            end(service)
            print(f"kill {number:2}: {len(plc.answers) - before} parts answered", flush=True)
        service = begin(f"fabric={model}", folder / "data", "--file", file)
        try:
            after = len(plc.answers)
            wait_for(lambda: len(plc.answers) > after)
            plc.end()
        finally:
            end(service)
        triggers = _triggers(folder / "data")
    lost, doubled, faults = compare(plc.answers, triggers)
    faults += [plc.unexpected] if plc.unexpected else []
    seconds = round(time.perf_counter() - start, 1)
    print(f"{len(triggers)} triggers accepted; {plc.repeated} results came again, known by their number")
    outcome = Outcome("line, PLC", kills, len(plc.answers), lost, doubled, seconds, faults)
    return outcome, Counter(answer.shown for answer in plc.answers)


def compare(answers: list[Answer], triggers: dict[int, tuple[str, list[str]]]) -> tuple[int, int, list[str]]:
    """Give the triggers without a report, those with more than one, and whatever else is wrong.

    Args:
        answers: to the PLC.
        triggers: serial number and verdicts of the reports, by the number of the trigger.
    """
    lost = sum(not verdicts for _, verdicts in triggers.values())
    doubled = sum(len(verdicts) > 1 for _, verdicts in triggers.values())
    faults = [
        f"{serial} has {n} answers" for serial, n in Counter(a.serial for a in answers).items() if n > 1
    ]
    for answer in answers:
        if answer.trigger == 0 and answer.shown == "no_verdict":
            continue  # refused: there is no trigger
        serial, verdicts = triggers.get(answer.trigger, ("", []))
        if serial != answer.serial:
            faults.append(f"{answer.serial} got the result of {serial or 'no part'}")
        shown = {"no_verdict" if one in ("unfit", "fault") else one for one in verdicts}
        if answer.shown not in shown | {"no_verdict"}:
            faults.append(f"{answer.serial}: the PLC read {answer.shown}, and the report says {verdicts}")
    return lost, doubled, faults


def _triggers(data: Path) -> dict[int, tuple[str, list[str]]]:
    found: dict[int, tuple[str, list[str]]] = {}
    with closing(Store(data / RESULTS)) as store:
        for row in store.rows("SELECT number, serial FROM triggers"):
            found[row["number"]] = (row["serial"] or "", [])
        for row in store.rows("SELECT trigger, json_extract(content, '$.verdict') AS verdict FROM reports"):
            found[row["trigger"]][1].append(row["verdict"])
    return found


if __name__ == "__main__":
    sys.exit(main())
