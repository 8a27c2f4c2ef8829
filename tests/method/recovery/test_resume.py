"""A training that was stopped, however it was, ends with the weights of one that was not."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from excision import Settings
from excision.errors import ModelError
from excision.method.recovery import training
from excision.method.recovery.losses import training_loss
from excision.method.recovery.training import train
from excision.method.recovery.unet import UNet
from excision.method.run_folder import CHECKPOINT, LOG
from excision.ops.memory_format import channels_last
from excision.settings import Normalisation
from excision.training.adamw import AdamW
from excision.training.checkpoint import load_checkpoint
from tests.method.recovery.test_training import CPU, TINY, network, source, steps_of, with_training

STEPS = 12


class CrashError(Exception):
    """Stands for anything that ends a process without warning."""


def stop_at(step: int, error: type[BaseException]) -> Callable[..., None]:
    def progress(done: int, *_: object) -> None:
        if done == step:
            raise error

    return progress


def tensors(unet: UNet) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in unet.state_dict().items()}


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def uninterrupted(settings: Settings, folder: Path) -> dict[str, Tensor]:
    unet = network(settings)
    train(unet, source(settings), settings, CPU, folder)
    return tensors(unet)


def resumed(settings: Settings, folder: Path) -> dict[str, Tensor]:
    # Other weights to begin with, as of a process that starts anew with another state.
    torch.manual_seed(random.randrange(10**6))
    unet = UNet(1, settings.recovery.width, settings.recovery.depth, settings.recovery.normalisation)
    train(unet, source(settings), settings, CPU, folder)
    return tensors(unet)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], bytes]:
    """Weights and checkpoint of the uninterrupted training."""
    folder = tmp_path_factory.mktemp("whole")
    return uninterrupted(TINY, folder), (folder / CHECKPOINT).read_bytes()


@pytest.mark.parametrize("step", [1, 5, 11, 12])
def test_interrupt_saves_and_resume_ends_alike(
    step: int, whole: tuple[dict[str, Tensor], bytes], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(network(), source(TINY), TINY, CPU, tmp_path, stop_at(step, KeyboardInterrupt))
    assert (tmp_path / CHECKPOINT).is_file()
    assert_same(resumed(TINY, tmp_path), whole[0])
    assert (tmp_path / CHECKPOINT).read_bytes() == whole[1]


def test_a_chain_of_interrupts(whole: tuple[dict[str, Tensor], bytes], tmp_path: Path) -> None:
    for step in (2, 3, 9):
        with pytest.raises(KeyboardInterrupt):
            train(network(), source(TINY), TINY, CPU, tmp_path, stop_at(step, KeyboardInterrupt))
    assert_same(resumed(TINY, tmp_path), whole[0])


@pytest.mark.parametrize("every", [1, 4, 5])
@pytest.mark.parametrize("step", [3, 8, 12])
def test_crash_goes_back_to_the_last_checkpoint(
    every: int, step: int, whole: tuple[dict[str, Tensor], bytes], tmp_path: Path
) -> None:
    settings = with_training(checkpoint_every=every)
    with pytest.raises(CrashError):
        train(network(), source(settings), settings, CPU, tmp_path, stop_at(step, CrashError))
    if (tmp_path / CHECKPOINT).is_file():
        assert_same(resumed(settings, tmp_path), whole[0])
    else:
        # Nothing was kept yet, so a resume begins as the first training did.
        assert step < every
        assert_same(uninterrupted(settings, tmp_path), whole[0])


@pytest.mark.parametrize("normalisation", ["instance", "none"])
def test_other_normalisations_resume_alike(normalisation: Normalisation, tmp_path: Path) -> None:
    settings = replace(TINY, recovery=replace(TINY.recovery, normalisation=normalisation))
    expected = uninterrupted(settings, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(network(settings), source(settings), settings, CPU, tmp_path, stop_at(7, KeyboardInterrupt))
    assert_same(resumed(settings, tmp_path), expected)


def test_bfloat16_resumes_alike(tmp_path: Path) -> None:
    settings = with_training(precision="bfloat16", steps=6)
    expected = uninterrupted(settings, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(network(), source(settings), settings, CPU, tmp_path, stop_at(3, KeyboardInterrupt))
    assert_same(resumed(settings, tmp_path), expected)


@pytest.mark.parametrize("place", ["forward", "loss", "clipping", "update"])
def test_interrupt_inside_a_step_keeps_no_half_of_it(
    place: str, whole: tuple[dict[str, Tensor], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second Ctrl-C does not wait for the step: what it tears apart must not become a checkpoint."""
    settings, calls = with_training(checkpoint_every=4), []
    owner, name = {
        "forward": (UNet, "forward"),
        "loss": (training, "training_loss"),
        "clipping": (torch.nn.utils, "clip_grad_norm_"),
        "update": (AdamW, "step"),
    }[place]
    original = getattr(owner, name)

    def torn(*args: object, **named: object) -> object:
        result = original(*args, **named)
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(owner, name, torn)
        train(network(), source(settings), settings, CPU, tmp_path)
    assert_same(resumed(settings, tmp_path), whole[0])


@pytest.fixture
def usual_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_handler")
@pytest.mark.parametrize("step", [1, 6, 12])
def test_ctrl_c_waits_for_the_step_and_saves(
    step: int, whole: tuple[dict[str, Tensor], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def pressed(*args: object) -> Tensor:
        calls.append(1)
        if len(calls) == step:
            os.kill(os.getpid(), signal.SIGINT)
        return training_loss(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(training, "training_loss", pressed)
        train(network(), source(TINY), TINY, CPU, tmp_path)
    assert len(calls) == step
    assert_same(resumed(TINY, tmp_path), whole[0])


def test_log_has_each_step_once_after_a_resume(tmp_path: Path) -> None:
    settings = with_training(steps=45, checkpoint_every=7)
    with pytest.raises(CrashError):
        train(network(), source(settings), settings, CPU, tmp_path, stop_at(34, CrashError))
    assert steps_of(tmp_path) == [10, 20, 30]
    with (tmp_path / LOG).open("a") as stream:
        stream.write('{"step": 4')  # cut short by the kill
    with pytest.raises(CrashError):
        # The last checkpoint was at step 28.
        train(network(), source(settings), settings, CPU, tmp_path, stop_at(29, CrashError))
    assert steps_of(tmp_path) == [10, 20]
    train(network(), source(settings), settings, CPU, tmp_path)
    assert steps_of(tmp_path) == [10, 20, 30, 40]


def test_restored_optimiser_is_laid_out_in_memory_as_its_parameters(tmp_path: Path) -> None:
    train(network(), source(TINY), TINY, CPU, tmp_path)
    unet = channels_last(network())
    optimiser = AdamW(unet.parameters(), lr=1e-3, weight_decay=0)
    assert load_checkpoint(tmp_path / CHECKPOINT, unet, optimiser) == STEPS
    states = [(each, optimiser.state()[number]) for number, each in enumerate(unet.parameters())]
    assert all(state["step"] > 0 for _, state in states)
    for parameter, state in states:
        for name in ("exp_avg", "exp_avg_sq"):
            assert state[name].stride() == parameter.stride()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x08\0\0\0\0\0\0\0{}      "])
def test_damaged_checkpoint_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(ModelError, match=r"checkpoint\.safetensors: this is not a checkpoint .* remove it"):
        train(network(), source(TINY), TINY, CPU, tmp_path)


def test_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    train(network(), source(TINY), TINY, CPU, tmp_path)
    other = replace(TINY, recovery=replace(TINY.recovery, width=6))
    with pytest.raises(ModelError, match="not a checkpoint of this training"):
        train(network(other), source(other), other, CPU, tmp_path)
