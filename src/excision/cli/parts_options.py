"""The options of an inspection in parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from excision.cli.options import is_given


@Parameter(name="*")
@dataclass
class PartsOptions:
    """How an inspection is divided; with any of these, each part of the results is a file of its own."""

    workers: Annotated[
        int | None,
        Parameter(help="Inspect in this many processes, each with its share of the cores; results in parts."),
    ] = None
    shard: Annotated[
        str | None,
        Parameter(
            help="Inspect the share of one job among several, such as 3/16, in the same --out; results in "
            "parts. The exit status is 0 if every image has a result."
        ),
    ] = None
    overlays: Annotated[
        Literal["none", "not-good", "all"] | None,
        Parameter(help="Images that get an overlay, of results in parts. By default none."),
    ] = None
    part_size: Annotated[
        int | None, Parameter(help="Images in a part. By default 8 to 1000, by their number.")
    ] = None
    readers: Annotated[
        int | None,
        Parameter(help="Images that each process reads at once from storage. By default 8."),
    ] = None
    read_ahead: Annotated[
        int | None,
        Parameter(
            name="--read-ahead",
            help="MiB of images that each process keeps on the local disk before it inspects them. By "
            "default 1024.",
        ),
    ] = None

    engine: Annotated[
        Literal["local", "ray"] | None,
        Parameter(help="Inspect in processes of this machine, or on a Ray cluster (extra ray)."),
    ] = None
    address: Annotated[
        str | None,
        Parameter(help="Address of the Ray cluster, such as auto. By default one is begun on this machine."),
    ] = None

    gpus_per_worker: Annotated[
        float | None,
        Parameter(
            help="GPUs that each worker on a Ray cluster takes, such as 0.25 for four on one GPU. By "
            "default none."
        ),
    ] = None
    cost_per_hour: Annotated[
        float | None,
        Parameter(
            help="Price of one worker for an hour, in any currency: that of a machine, divided by the "
            "workers on it. Progress and results then say what the inspection costs."
        ),
    ] = None

    @property
    def given(self) -> bool:
        """Whether any of them is on the command line."""
        return is_given(self)
