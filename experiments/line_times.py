"""Measure how long a line takes from a trigger to its signals: the two tables of docs/results/station.md.

    PYTHONPATH=src:. python experiments/line_times.py line/parts images/ [--triggers 1000]

Runs `plc_times.py` with the whole line, and `signal_times.py` without clients and with two that keep the
station busy. Prints both tables in Markdown, with the load of the machine before and after: other work on it
makes every figure worse. With 1000 triggers this takes about ten minutes.
"""

from __future__ import annotations

import argparse
import os
import sys

import plc_times
import signal_times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", help="exported model")
    parser.add_argument("images", help="folder of images that the camera gives")
    parser.add_argument("--triggers", default="1000", help="for each row")
    parser.add_argument("--rate", default="5", help="triggers a second over MQTT")
    parser.add_argument("--deadline", default="500 ms")
    chosen = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {_load()}\n\nFrom the trigger of a PLC to its result:\n")
    given = [chosen.model, chosen.images]
    plc_times.main(["--count", chosen.triggers, "--model", given[0], "--images", given[1]])
    print("\nFrom a trigger to its signal, milliseconds:\n")
    options = ["--triggers", chosen.triggers, "--rate", chosen.rate, "--deadline", chosen.deadline]
    status = signal_times.main([*given, *options, "--clients", "0", "2"])
    print(f"\nload average {_load()}")
    return status


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
