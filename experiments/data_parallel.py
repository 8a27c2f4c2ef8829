"""Measure whether training one model in several processes (DDP) pays for a network of this size.

    python experiments/data_parallel.py [--steps 30] [--rounds 5] [--crop 128] [--batch 8]

Takes optimiser steps of the recovery network with default settings on random crops, in three ways that take
turns: one process with one thread, one process with as many threads as processes below, and two processes
with one thread each, in which DDP (backend gloo) averages the gradients and each has half of the batch.
Prints the median seconds per step of each, and the ratios within a round, which a busy machine disturbs less
than the seconds. Then gives the bytes of gradients that are exchanged in each step.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import time
from multiprocessing.queues import SimpleQueue

import torch
from torch import Tensor, distributed, nn
from torch import multiprocessing as processes
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from excision.method.recovery.losses import training_loss
from excision.method.recovery.training import compute_dtype
from excision.method.recovery.unet import UNet
from excision.settings import Settings

PROCESSES = 2
WARM_UP = 3
WAYS = ("1 process, 1 thread", f"1 process, {PROCESSES} threads", f"{PROCESSES} processes, DDP")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--crop", type=int, default=Settings().training.crop)
    parser.add_argument("--batch", type=int, default=Settings().training.batch)
    given = parser.parse_args()
    rounds = []
    for _ in range(given.rounds):
        single = [_alone(threads, given) for threads in (1, PROCESSES)]
        rounds.append([*single, _in_processes(given)])
    print(f"{given.steps} steps of {given.batch} crops of {given.crop} pixels, {given.rounds} rounds\n")
    print("| way | ms per step | speed against 1 process, 1 thread |\n| --- | --- | --- |")
    for place, way in enumerate(WAYS):
        seconds = statistics.median(found[place] for found in rounds)
        ratio = statistics.median(found[0] / found[place] for found in rounds)
        print(f"| {way} | {1000 * seconds:.0f} | {ratio:.2f} |")
    against = [found[1] / found[2] for found in rounds]
    print(
        f"\nDDP against threads: {statistics.median(against):.2f} times as fast "
        f"({min(against):.2f} to {max(against):.2f})"
    )
    weights = sum(parameter.numel() for parameter in _network().parameters())
    print(f"{weights:,} weights: {weights * 4 / 2**20:.1f} MiB of gradients in each step")
    return 0


def _network() -> UNet:
    chosen = Settings().recovery
    torch.manual_seed(0)
    return UNet(3, chosen.width, chosen.depth, chosen.normalisation, chosen.stem)


def _alone(threads: int, given: argparse.Namespace) -> float:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _seconds(_network(), given.batch, given.crop, given.steps)
    finally:
        torch.set_num_threads(before)


def _in_processes(given: argparse.Namespace) -> float:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = processes.get_context("spawn").SimpleQueue()
    spawn(_member, (port, given, told), nprocs=PROCESSES)  # type: ignore[no-untyped-call]
    return float(told.get())


def _member(rank: int, port: int, given: argparse.Namespace, told: SimpleQueue[float]) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", rank=rank, world_size=PROCESSES)
    network = DistributedDataParallel(_network())
    seconds = _seconds(network, given.batch // PROCESSES, given.crop, given.steps)
    if rank == 0:
        told.put(seconds)
    distributed.destroy_process_group()


def _seconds(network: nn.Module, batch: int, crop: int, steps: int) -> float:
    """Give the mean seconds of a step after some that are not counted."""
    settings = Settings()
    skips = settings.recovery.skips("training")
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.training.learning_rate)
    dtype, images = compute_dtype("auto", torch.device("cpu")), torch.rand(batch, 3, crop, crop)
    images = images.contiguous(memory_format=torch.channels_last)
    mask = torch.zeros(batch, 1, crop, crop, dtype=torch.bool)
    mask[:, :, : crop // 4, : crop // 4] = True
    network.train()
    for step in range(WARM_UP + steps):
        if step == WARM_UP:
            start = time.perf_counter()
        _step(network, optimiser, images, mask, skips, dtype)
    return (time.perf_counter() - start) / steps


def _step(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    images: Tensor,
    mask: Tensor,
    skips: tuple[bool, ...],
    dtype: torch.dtype,
) -> None:
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        recovery = network(images * ~mask, mask.to(images.dtype), skips)
    recovery = type(recovery)(*(part.float() for part in recovery))
    optimiser.zero_grad()
    torch.autograd.backward(training_loss(recovery, images, mask, Settings().loss))
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()


if __name__ == "__main__":
    raise SystemExit(main())
