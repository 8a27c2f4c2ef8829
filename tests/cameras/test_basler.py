from __future__ import annotations

import time
from contextlib import closing
from itertools import accumulate
from typing import Any

import numpy as np
import pytest

from excision.cameras.basler import BaslerSettings
from excision.cameras.camera import open_camera
from excision.cameras.libraries import load_library
from excision.cameras.pixel_formats import pixel_format
from excision.errors import CameraError

try:
    load_library("pypylon.pylon", "basler", "basler")
except CameraError as error:
    pytest.skip(str(error), allow_module_level=True)

WAIT = 60.0


@pytest.fixture(autouse=True)
def _emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYLON_CAMEMU", "1")


def shot(**settings: Any) -> np.ndarray[Any, Any]:
    with closing(open_camera("front", BaslerSettings(region=(0, 0, 64, 48), **settings))) as camera:
        camera.start()
        return camera.grab(WAIT).pixels


def test_a_camera_that_runs_freely_gives_its_pictures() -> None:
    with closing(open_camera("front", BaslerSettings(frame_rate=50.0))) as camera:
        begun = time.time()
        camera.start()
        frames = [camera.grab(WAIT) for _ in range(10)]
        device = camera._source._camera  # type: ignore[attr-defined]
        assert device.AcquisitionFrameRateAbs.Value == pytest.approx(50.0, abs=1)
    assert [frame.number for frame in frames] == list(accumulate(1 + frame.dropped for frame in frames))
    assert frames[0].pixels.shape == (1040, 1024)
    assert begun - 1 < frames[0].time <= time.time()
    # A busy machine makes the steps longer, and never shorter.
    assert np.median(np.diff([frame.time for frame in frames])) > 0.015
    assert camera.state().where == "Basler Emulation 0815-0000"


def test_the_same_scene_is_as_bright_in_every_pixel_format() -> None:
    wanted = shot(pixel_format="Mono8", features={"TestImageSelector": "Testimage1"}) / 255
    for form in ("Mono10", "Mono12", "Mono16", "BayerRG8", "BayerBG12"):
        pixels = shot(pixel_format=form, features={"TestImageSelector": "Testimage1"})
        assert pixels.dtype == (np.uint8 if pixel_format(form).bits == 8 else np.uint16)
        assert pixels.mean() / np.iinfo(pixels.dtype).max == pytest.approx(wanted.mean(), abs=0.05), form


def test_exposure_and_gain_reach_the_camera() -> None:
    from pypylon import pylon

    with closing(
        open_camera("front", BaslerSettings(exposure_us=1234.0, gain=2.0, trigger="software"))
    ) as camera:
        camera.start()
        camera.grab(WAIT)
        device = camera._source._camera  # type: ignore[attr-defined]
        assert isinstance(device, pylon.InstantCamera)
        assert device.ExposureTime.Value == pytest.approx(1234.0, abs=10)
        assert device.Gain.Value == pytest.approx(2.0, abs=0.1)


def test_a_software_trigger_takes_one_picture_when_asked() -> None:
    with closing(open_camera("front", BaslerSettings(trigger="software"))) as camera:
        camera.start()
        for number in range(1, 4):
            asked = time.time()
            frame = camera.grab(WAIT)
            assert frame.number == number
            assert frame.time >= asked
            time.sleep(0.05)
        assert camera.state().frames == 3


def test_pictures_that_arrive_incomplete_are_dropped_and_counted() -> None:
    settings = BaslerSettings(frame_rate=50.0, features={"ForceFailedBufferCount": 3})
    with closing(open_camera("front", settings)) as camera:
        camera.start()
        camera.grab(WAIT)
        camera._source._camera.ForceFailedBuffer.Execute()  # type: ignore[attr-defined]
        while camera.state().damaged < 3:
            frame = camera.grab(WAIT)
        frame = camera.grab(WAIT, since=time.time())
    assert camera.state().dropped == 3
    assert frame.number >= 5


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"device": "none"}, "no Basler camera is called none"),
        ({"pixel_format": "Mono12p"}, "pixel_format is Mono12p: it takes BGR8Packed|pixel_format is Mono12p"),
        ({"gain": 1e9}, r"gain is 1e\+09: it takes"),
        ({"trigger": "Line77"}, "trigger is Line77: it takes .*Line1"),
        ({"features": {"NoSuchFeature": 1}}, "features.NoSuchFeature: the camera has no NoSuchFeature"),
        ({"region": (0, 0, 100_000, 48)}, "region is 100000: it takes"),
    ],
)
def test_what_the_camera_refuses_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(CameraError, match=said):
        BaslerSettings(**wrong).check()
