"""A registry in a folder and in a bucket: written once, by one of several, with stages and a way back."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from excision.cli import run as main
from excision.errors import ModelError, SettingsError
from excision.inspection.fingerprint import fingerprint
from excision.registry.address import Address, is_address
from excision.registry.records import Version
from excision.registry.registry import CLAIM, VERSION, Registry, local_version
from excision.station.models.registry import named_folders
from tests.storage.server import s3_environment, s3_server

FORMAT_1 = Path(__file__).parents[1] / "compatibility" / "format_1"
MODEL = FORMAT_1 / "exported"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    cache = str(tmp_path_factory.mktemp("cache"))
    with s3_server() as port, s3_environment(port, EXCISION_CACHE=cache):
        yield "s3://plant"


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A registry that does not exist yet."""
    if request.param == "folder":
        return str(tmp_path / "models")
    return f"{request.getfixturevalue('bucket')}/{tmp_path.name}/models"


def test_versions_stages_and_the_way_back(place: str, tmp_path: Path) -> None:
    models = Registry(place)
    assert models.names() == []
    first = models.add(MODEL, "bracket", "first")
    models.set_stage("bracket", "production", "latest")
    second = models.add(FORMAT_1 / "run", "bracket")
    assert (first.number, second.number) == ("0001", "0002")
    assert [version.number for version in models.versions("bracket")] == ["0001", "0002"]
    assert models.find("bracket").number == "0002"
    assert models.find("bracket", "production") == first
    assert models.find("bracket", "2") == second
    models.set_stage("bracket", "production", "0002")
    models.set_stage("bracket", "production", "0002")
    assert models.find("bracket", "production") == second
    assert models.roll_back("bracket", "production").version == "0001"
    with pytest.raises(ModelError, match="no version was in the stage production before"):
        models.roll_back("bracket", "production")
    assert models.names() == ["bracket"]
    got = models.get(models.find("bracket", "production"), tmp_path / "got")
    assert fingerprint(got) == first.model == fingerprint(MODEL)
    assert fingerprint(local_version(f"{place}/bracket@production")) == first.model
    for which, said in (
        ("0003", "there is no version 0003"),
        ("9" * 5000, "there is no version 9"),
        ("test", "no version is in the stage test"),
    ):
        with pytest.raises(ModelError, match=said):
            models.find("bracket", which)
    with pytest.raises(ModelError, match="there is no model other"):
        models.find("other")
    for stage in ("latest", "0001", "a/b"):
        with pytest.raises(SettingsError, match="cannot be the name of a stage"):
            models.set_stage("bracket", stage, "0001")


def test_of_several_who_add_at_once_each_gets_a_number(place: str) -> None:
    numbers = []

    def add() -> None:
        numbers.append(Registry(place).add(MODEL, "bracket").number)

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == ["0001", "0002", "0003"]


def test_what_was_not_finished_is_no_version(tmp_path: Path) -> None:
    """As after a kill between the files; its number is not given again."""
    models = Registry(tmp_path / "models")
    models.add(MODEL, "bracket")
    models.add(MODEL, "bracket")
    (tmp_path / "models" / "bracket" / "0002" / VERSION).unlink()
    assert [version.number for version in models.versions("bracket")] == ["0001"]
    assert models.add(MODEL, "bracket").number == "0003"
    assert (tmp_path / "models" / "bracket" / "0002" / CLAIM).is_file()


def test_changed_and_damaged_files_are_named(tmp_path: Path) -> None:
    models = Registry(tmp_path / "models")
    models.add(MODEL, "bracket")
    folder = tmp_path / "models" / "bracket" / "0001"
    (folder / "golden.npz").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"golden.npz: .*not the file that was added"):
        local_version(f"{tmp_path}/models/bracket@latest")
    with pytest.raises(ModelError, match=r"golden.npz: .*not the file that was added"):
        models.get(models.find("bracket"), tmp_path / "got")
    content = json.loads((folder / VERSION).read_text())
    for changed, said in (
        ({"format": 9}, "a later version"),
        ({"files": {"../../x": "0"}}, "no version of a model"),
        ({"name": "other"}, "no version of a model"),
        ({"files": 3}, "no version of a model"),
    ):
        (folder / VERSION).write_text(json.dumps({**content, **changed}))
        with pytest.raises(ModelError, match=said):
            models.find("bracket")
    with pytest.raises(ModelError, match="neither a run folder"):
        models.add(tmp_path, "bracket")


def test_addresses(tmp_path: Path) -> None:
    assert Address.parse("s3://a/b/c@production") == Address("s3://a/b", "c", "production")
    assert Address.parse("c@0001") == Address(".", "c", "0001")
    assert is_address(f"{tmp_path}/c@latest")
    (tmp_path / "c@latest").mkdir()
    assert not is_address(f"{tmp_path}/c@latest")
    for url in ("s3://key:secret@host/folder", "s3://key:secret@host", "s3://key@host"):
        assert not is_address(url)
    with pytest.raises(SettingsError, match="no address"):
        Address.parse("bracket")


def test_verbs_take_addresses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "models")
    assert main(["registry", "add", str(MODEL), place, "--name", "bracket", "--stage", "production"]) == 0
    address = f"{place}/bracket@production"
    image = tmp_path / "image.png"
    shutil.copyfile(FORMAT_1 / "0.png", image)
    for more in ([], ["--workers", "1"]):
        assert main(["inspect", address, str(image), "--out", str(tmp_path / f"out{len(more)}"), *more]) in (
            0,
            1,
        )
    capsys.readouterr()
    assert main(["verify", address]) == 0
    capsys.readouterr()
    assert main(["calibrate", address, str(FORMAT_1), "--few"]) == 2
    assert "never changes: copy it with `excision registry get`" in capsys.readouterr().err
    assert main(["registry", "add", address, str(tmp_path / "others")]) == 0
    assert Registry(tmp_path / "others").names() == ["bracket"]
    folder = tmp_path / "models" / "bracket" / "0001"
    assert named_folders([address, f"front={address}"]) == {"bracket": folder, "front": folder}
    assert main(["registry", "list", place]) == 0
    assert "production" in capsys.readouterr().out
    assert main(["registry", "add", str(MODEL), place, "--name", "bracket"]) == 0
    assert main(["registry", "stage", place, "bracket", "production"]) == 0
    assert "production is now 0002" in capsys.readouterr().out
    assert main(["registry", "stage", place, "bracket", "production", "--back"]) == 0
    assert "production is now 0001" in capsys.readouterr().out
    assert main(["registry", "stage", place, "bracket", "test", "--back", "--version", "1"]) == 2
    assert main(["registry", "get", address, "--out", str(tmp_path / "got")]) == 0
    assert main(["verify", str(tmp_path / "got")]) == 0
    capsys.readouterr()


def test_stages_that_are_set_at_once_are_all_remembered(tmp_path: Path) -> None:
    place = str(tmp_path / "models")
    first, second = Registry(place).add(MODEL, "parts"), Registry(place).add(MODEL, "parts")
    barrier = threading.Barrier(2)

    def point(to: Version) -> None:
        barrier.wait()
        for stage in range(20):
            Registry(place).set_stage("parts", f"s{stage}", to.number)

    threads = [threading.Thread(target=point, args=(version,)) for version in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for stage in Registry(place).stages("parts").values():
        assert len(stage.before) == 1 and stage.before[0][0] != stage.version


def test_a_version_that_is_damaged_leaves_nothing_behind(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "models"))
    version = registry.add(MODEL, "parts")
    stored = tmp_path / "models" / "parts" / version.number
    name = sorted(version.files)[-1]
    (stored / name).write_bytes(b"another")
    out = tmp_path / "new" / "model"
    with pytest.raises(ModelError, match="is not the file that was added"):
        registry.get(version, out)
    assert list((tmp_path / "new").iterdir()) == []
    (stored / name).write_bytes((MODEL / name).read_bytes())
    out.mkdir()
    assert {path.name for path in registry.get(version, out).iterdir()} == set(version.files)
    assert list((tmp_path / "new").iterdir()) == [out]
