"""A disk that stalls holds up what is written, and nobody else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.station.conftest import Service, Start, files_of, form, noise

PROMPT = 0.5  # seconds; the promise is 0.1, on a machine that does nothing else


def longest_silence(service: Service, seconds: float) -> float:
    """Ask for a while whether the service is alive, and give the longest time that an answer took."""
    longest, end = 0.0, time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        assert service.ask("GET", "/healthz")[0] == 200
        longest = max(longest, time.monotonic() - begun)
        time.sleep(0.02)
    return longest


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
        silence = longest_silence(service, 1.0)
        assert not any(answer.done() for answer in answers)
        sign.unlink()
        assert [answer.result()[0] for answer in answers] == [200] * len(answers)
    assert silence < PROMPT
    assert service.ask("GET", "/v1/results/1/image")[2] in [noise(seed) for seed in range(10, 18)]
    assert len(files_of(service.data)) == 12


def test_what_is_refused_is_removed_without_holding_up_others(start: Start) -> None:
    service = start(program="tests.station.stalled")
    sign = service.data / "stall"
    body, kind = form(("image", "one.png", noise(1)), ("model", None, b"nobody"))
    with ThreadPoolExecutor(1) as pool:
        sign.touch()
        answer = pool.submit(service.ask, "POST", "/v1/inspect", body, Content_Type=kind)
        silence = longest_silence(service, 0.5)
        sign.unlink()
        assert answer.result()[0] == 404
    assert silence < PROMPT
    assert files_of(service.data) == set()


@pytest.mark.parametrize("size", [0, 1])
def test_a_body_without_an_image_leaves_no_file(service: Service, size: int) -> None:
    status, _, _ = service.ask("POST", "/v1/inspect", bytes(size))
    assert status == (422 if size else 400)
    assert files_of(service.data) == set()
