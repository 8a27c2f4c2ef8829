"""Compute the time and the cost of a large inspection from measured figures, with every assumption printed.

    python experiments/cost_model.py [--images 1e8] [--nodes 100] [--images-per-second 98] [--megabytes 0.1]
        [--cost-per-hour 0.40] [--requests-per-image 1] [--price-per-10000-requests 0.004] [--part-size 1000]
        [--price-per-10000-writes 0.05] [--start-seconds 120] [--efficiency 0.9] [--bandwidth 1.0]
        [--price-per-gigabyte 0] [--json cost.json]

This is arithmetic, not a measurement of a cluster. `--images-per-second` is the speed of one machine like the
nodes, which `experiments/parts_scaling.py` measures, `--start-seconds` what a node takes until it begins its
first image, and `--efficiency` the share of the speed that is left with many nodes and images in object
storage: assume it, or measure it. All prices are in one currency, those of your own provider. The time is the
larger of that of the networks and that of the link of a node, plus the start; the cost is that of the nodes
for this time, of the requests, and of the data that leave the storage.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the estimate assumes.

    Attributes:
        images: number of images.
        nodes: number of machines.
        images_per_second: of one machine with all of its cores.
        cost_per_hour: price of one machine for an hour.
        megabytes: size of an image, in 10^6 bytes.
        requests_per_image: that read from the storage.
        price_per_10000_requests: that read from the storage.
        part_size: images in a part, each of which is written with one request.
        price_per_10000_writes: requests that write.
        start_seconds: from the start of a machine to its first image.
        efficiency: share of the speed of one machine that each keeps among all, 0 to 1.
        bandwidth: of the link of one machine, in 10^9 bits per second.
        price_per_gigabyte: of data that leave the storage, for 10^9 bytes.
    """

    images: float = 1e8
    nodes: int = 100
    images_per_second: float = 98.0
    cost_per_hour: float = 0.40
    megabytes: float = 0.1
    requests_per_image: float = 1.0
    price_per_10000_requests: float = 0.004
    part_size: int = 1000
    price_per_10000_writes: float = 0.05
    start_seconds: float = 120.0
    efficiency: float = 0.9
    bandwidth: float = 1.0
    price_per_gigabyte: float = 0.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What follows.

    Attributes:
        network_hours: time of the networks.
        link_hours: time of the links.
        hours: from the start to the last image.
        node_cost: of the machines.
        request_cost: of reading and writing.
        data_cost: of data that leave the storage.
        cost: of all.
        cost_per_million: of a million images.
    """

    network_hours: float
    link_hours: float
    hours: float
    node_cost: float
    request_cost: float
    data_cost: float
    cost: float
    cost_per_million: float


def estimate(assumed: Assumptions) -> Estimate:
    """Compute time and cost."""
    share = assumed.images / assumed.nodes
    network = share / (assumed.images_per_second * assumed.efficiency) / 3600
    link = share * assumed.megabytes * 1e6 * 8 / (assumed.bandwidth * 1e9) / 3600
    hours = max(network, link) + assumed.start_seconds / 3600
    nodes = hours * assumed.nodes * assumed.cost_per_hour
    reads = assumed.images * assumed.requests_per_image * assumed.price_per_10000_requests / 1e4
    writes = assumed.images / assumed.part_size * assumed.price_per_10000_writes / 1e4
    data = assumed.images * assumed.megabytes / 1e3 * assumed.price_per_gigabyte
    cost = nodes + reads + writes + data
    return Estimate(network, link, hours, nodes, reads + writes, data, cost, 1e6 * cost / assumed.images)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in asdict(Assumptions()).items():
        # A number such as 1e8 is a whole one, too.
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=value)
    parser.add_argument("--json", type=Path)
    words = vars(parser.parse_args())
    target = words.pop("json")
    if min(words.values()) < 0 or 0 in (words["nodes"], words["images_per_second"], words["efficiency"]):
        parser.error("numbers must not be negative; nodes, speed and efficiency must be above 0")
    assumed = Assumptions(**words)
    found = estimate(assumed)
    print("On paper: computed from the assumptions, not measured on a cluster.\n")
    for title, figures in (("assumption", assumed), ("result", found)):
        print(f"| {title} | |\n| --- | --- |")
        for name, value in asdict(figures).items():
            print(f"| {name.replace('_', ' ')} | {value:,.6g} |")
        print()
    if target is not None:
        target.write_text(json.dumps({"assumptions": asdict(assumed), "result": asdict(found)}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
