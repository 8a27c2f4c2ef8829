"""A disk that stalls holds up what is written, and nobody else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.station.conftest import Service, Start, files_of, form, noise


def is_alive(service: Service) -> None:
    """Ask for a while: an answer that waited for the disk would not come before this returns."""
    for _ in range(20):
        assert service.ask("GET", "/healthz")[0] == 200
        time.sleep(0.02)


def test_a_disk_that_stalls_holds_up_no_other_request(start: Start) -> None:
    service = start(program="tests.station.stalled")
    sign = service.data / "stall"
    several, kind = form(*(("image", f"{seed}.png", noise(seed)) for seed in range(3)))
    # Noise is not compressed: this one is larger than what a request may hold in memory.
    large = noise(9, (1200, 1200))
    assert len(large) > 2**20
    with ThreadPoolExecutor(12) as pool:
        sign.touch()
        answers = [pool.submit(service.ask, "POST", "/v1/inspect", noise(seed)) for seed in range(10, 18)]
        answers += [pool.submit(service.ask, "POST", "/v1/inspect", large)]
        answers += [pool.submit(service.ask, "POST", "/v1/inspect", several, Content_Type=kind)]
        is_alive(service)
        assert not any(answer.done() for answer in answers)
        sign.unlink()
        assert [answer.result()[0] for answer in answers] == [200] * len(answers)
    assert service.ask("GET", "/v1/results/1/image")[2] in [noise(seed) for seed in range(10, 18)]
    assert len(files_of(service.data)) == 12


def test_what_is_refused_is_removed_without_holding_up_others(start: Start) -> None:
    service = start(program="tests.station.stalled")
    sign = service.data / "stall"
    body, kind = form(("image", "one.png", noise(1)), ("model", None, b"nobody"))
    with ThreadPoolExecutor(1) as pool:
        sign.touch()
        answer = pool.submit(service.ask, "POST", "/v1/inspect", body, Content_Type=kind)
        is_alive(service)
        sign.unlink()
        assert answer.result()[0] == 404
    end = time.monotonic() + 60
    while files_of(service.data):
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("size", [0, 1])
def test_a_body_without_an_image_leaves_no_file(service: Service, size: int) -> None:
    status, _, _ = service.ask("POST", "/v1/inspect", bytes(size))
    assert status == (422 if size else 400)
    assert files_of(service.data) == set()
