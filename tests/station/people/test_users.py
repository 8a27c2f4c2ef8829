"""Users of a station: by the command line, in a service of its own, and against those who guess."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from excision.errors import SettingsError, StoreError
from excision.station.people import attempts, passwords
from excision.station.people.attempts import Attempts
from excision.station.people.people import People
from excision.station.people.roles import PROGRAM, Role
from excision.station.people.users import Users, role_of
from excision.station.store.store import Store
from tests.cli.conftest import excision, inside
from tests.station.conftest import Service, Start
from tests.station.lines import until
from tests.station.test_pages import post

WORDS = {"ada": "correct horse 1", "bo": "battery staple 2", "cy": "paper clip 33", "di": "four seasons 4"}
KEY = "a key of sixteen characters"


@pytest.fixture
def users(tmp_path: Path) -> Users:
    store = Store(tmp_path / "results.sqlite")
    found = Users(store)
    add_all(found)
    return found


def sign_in(service: Service, name: str, password: str | None = None) -> tuple[int, str]:
    """Sign in; gives the status and the cookie."""
    body = f"name={name}&password={(password or WORDS[name]).replace(' ', '+')}".encode()
    status, headers, _ = service.ask("POST", "/login", body, Content_Type="application/x-www-form-urlencoded")
    return status, (headers.get("Set-Cookie") or "").partition(";")[0]


@cache
def hashed_quickly(password: str) -> str:
    """Hash with the least memory and time: by intent the product's take long, at each signing in."""
    from argon2 import PasswordHasher, Type

    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=Type.ID).hash(password)


def add_all(users: Users) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "hashed", hashed_quickly)
        for name, role in zip(WORDS, ("admin", "engineer", "reviewer", "operator"), strict=True):
            users.add(name, role_of(role), WORDS[name], "test")


def set_up(data: Path) -> None:
    data.mkdir(exist_ok=True)
    with closing(Store(data / "results.sqlite")) as store:
        add_all(Users(store))


def test_the_command_line_sets_users_up(tmp_path: Path) -> None:
    word = tmp_path / "word.txt"
    word.write_bytes("\ufeffgrüne Äpfel 7\r\nmore".encode())
    first = inside("station", "user", "add", tmp_path, "Bo", "--role", "reviewer", "--password-file", word)
    assert first.returncode == 2 and "the first user must be an admin" in first.stderr
    assert (
        inside(
            "station", "user", "add", tmp_path, "Ada", "--role", "admin", "--password-file", word
        ).returncode
        == 0
    )
    # From a pipe, in a process of its own.
    done = excision("station", "user", "add", tmp_path, "Bo", "--role", "operator", given="another word 8\n")
    assert done.returncode == 0, done.stderr
    assert inside("station", "user", "role", tmp_path, "bo", "engineer").returncode == 0
    listed = inside("station", "user", "list", tmp_path).stdout
    assert "Ada: admin" in listed and "Bo: engineer" in listed
    for words in (("disable", tmp_path, "ADA"), ("role", tmp_path, "ada", "operator")):
        refused = inside("station", "user", *words)
        assert refused.returncode == 2 and "last admin" in refused.stderr
    assert inside("station", "user", "disable", tmp_path, "bo").returncode == 0
    assert "Bo: engineer, disabled" in inside("station", "user", "list", tmp_path).stdout
    missing = inside("station", "user", "disable", tmp_path / "nowhere", "bo")
    assert missing.returncode == 2 and not (tmp_path / "nowhere").exists()
    with closing(Store(tmp_path / "results.sqlite")) as store:
        people = People(store)
        assert people.sign_in("ada", "gru\u0308ne A\u0308pfel 7", "10.0.0.1") is not None
        assert people.sign_in("bo", "another word 8", "10.0.0.1") is None
    content = (tmp_path / "results.sqlite").read_bytes()
    assert "Äpfel".encode() not in content and b"another word" not in content


def test_what_cannot_be_a_user_is_refused(users: Users) -> None:
    for name, role, password in (
        ("ADA", Role.OPERATOR, "a good word 9"),
        ("\uff41da", Role.OPERATOR, "a good word 9"),
        ("", Role.OPERATOR, "a good word 9"),
        ("x" * 65, Role.OPERATOR, "a good word 9"),
        ("two\nlines\x07", Role.OPERATOR, "a good word 9"),
        (f"{PROGRAM.lower()}: Bo", Role.OPERATOR, "a good word 9"),
        ("Ed", Role.OPERATOR, "short 1"),
        ("Edward", Role.OPERATOR, "my edward 12"),
        ("Ed", Role.OPERATOR, "1" * 20),
        ("Ed", Role.OPERATOR, "x1y2" * 200),
    ):
        with pytest.raises(SettingsError):
            users.add(name, role, password, "test")
    with pytest.raises(SettingsError, match="operator, reviewer"):
        role_of("root")
    assert len(users.all()) == 4


def test_no_two_admins_disable_each_other_at_once(tmp_path: Path, users: Users) -> None:
    users.set_role("bo", Role.ADMIN, "ada")
    refused = []

    def disable(name: str) -> None:
        with closing(Store(tmp_path / "results.sqlite")) as store:
            try:
                Users(store).set_disabled(name, True, "test")
            except SettingsError:
                refused.append(name)

    threads = [threading.Thread(target=disable, args=(name,)) for name in ("ada", "bo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert [user.name for user in users.all() if user.role == Role.ADMIN and not user.disabled] == refused


def test_guesses_wait_by_user_and_by_address() -> None:
    now = [0.0]
    tries = Attempts(lambda: now[0])
    # Many at once gain nothing: each counts before its password is looked at.
    waits = [tries.begin("ada", "10.0.0.1") for _ in range(8)]
    assert waits == [0] * attempts.FREE_PAIR + [4] * 3
    # From many addresses: the user waits, but not where the user has signed in before.
    tries.right("ada", "10.0.0.9")
    waits = [tries.begin("ada", f"10.1.0.{place}") for place in range(30)]
    assert waits.count(0) < attempts.FREE_USER <= 20 and waits[-1] > 0
    assert tries.begin("ada", "10.0.0.9") == 0
    tries.right("ada", "10.0.0.9")
    # One address and many names, among them names of nobody.
    assert tries.begin("own", "10.2.0.1") == 0
    tries.right("own", "10.2.0.1")
    waits = [tries.begin(f"name {place}", "10.2.0.1") for place in range(30)]
    assert waits == [0] * attempts.FREE_ADDRESS + [4] * 10
    # Signing in does not let the same address guess at others.
    assert tries.begin("own", "10.2.0.1") == 0
    tries.right("own", "10.2.0.1")
    assert tries.begin("somebody", "10.2.0.1") > 0
    now[0] += attempts.FORGIVEN + 1
    assert tries.begin("ada", "10.0.0.1") == 0
    # Signing in often is no guessing.
    for place in range(3 * attempts.FREE_ADDRESS):
        assert tries.begin(f"worker {place}", "10.3.0.1") == 0
        tries.right(f"worker {place}", "10.3.0.1")
    # Nor does it take memory without end.
    for place in range(10_000):
        tries.begin("ada", f"10.{4 + place // 60000}.{place // 250}.{place % 250}")
    assert len(tries._pairs._failures) <= 4096


def test_a_name_of_nobody_takes_as_long_as_one_of_somebody(users: Users) -> None:
    users.set_password("ada", "hashed as usual 1", "test")
    people = People(users._store)
    people.sign_in("nobody", "warm", "10.0.0.1")
    seconds: dict[str, list[float]] = {"ada": [], "nobody": []}
    for place in range(4):
        for name, taken in seconds.items():
            start = time.process_time()
            assert people.sign_in(name, "wrong word", f"10.0.{place}.7") is None
            taken.append(time.process_time() - start)
    assert 0.5 < min(seconds["ada"]) / min(seconds["nobody"]) < 2


def test_hashes_are_of_argon2id_and_differ() -> None:
    first, second = passwords.hashed("a good word 9"), passwords.hashed("a good word 9")
    assert first != second and first.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert passwords.fits(first, "a good word 9") and not passwords.fits(first, "a good word 8")
    assert not passwords.fits("damaged", "a good word 9") and not passwords.fits("", "")


def test_roles_in_a_service(start: Start, tmp_path: Path, pictures: list[Path]) -> None:
    key = tmp_path / "key.txt"
    key.write_text(KEY)
    key.chmod(0o600)
    log = tmp_path / "log.txt"
    service = start("--api-key-file", key, log=log)
    number = service.ask("POST", "/v1/inspect?source=a.png", pictures[0].read_bytes(), X_API_Key=KEY)[0]
    assert number == 200
    # Without users the key opens everything, and its session too.
    status, headers, _ = service.ask(
        "POST",
        "/login",
        f"key={KEY.replace(' ', '+')}".encode(),
        Content_Type="application/x-www-form-urlencoded",
    )
    old = headers["Set-Cookie"].partition(";")[0]
    assert status == 303 and service.ask("GET", "/", Cookie=old)[0] == 200
    set_up(service.data)
    until(lambda: service.ask("GET", "/", Cookie=old)[0] == 401)
    cookies = {}
    for name in WORDS:
        status, cookies[name] = sign_in(service, name)
        assert status == 303 and cookies[name]
    label = {"truth": "good", "who": "Somebody Else"}
    for name, allowed in (("di", False), ("cy", True), ("bo", True), ("ada", True)):
        status, answer = service.json("POST", "/v1/results/1/labels", label, Cookie=cookies[name])
        assert (status == 201) == allowed, answer
        if allowed:
            assert answer["labels"][-1]["who"] == name
        else:
            assert (
                status == 403
                and "needs the role reviewer" in answer["detail"]
                and "operator" in answer["detail"]
            )
    status, _, page = post(service, "/review/1/labels", {"truth": "good"}, Cookie=cookies["di"])
    assert status == 403 and "This needs the role reviewer" in page
    for name, expected in (("cy", 403), ("bo", 200)):
        change = {"threshold": 0.5}
        assert (
            service.json("POST", "/v1/models/fabric/thresholds", change, Cookie=cookies[name])[0] == expected
        )
    # The key is that of a program, which may inspect, and whose name is that of a program.
    assert service.ask("POST", "/v1/inspect?source=b.png", pictures[1].read_bytes(), X_API_Key=KEY)[0] == 200
    assert service.json("POST", "/v1/results/1/labels", label, X_API_Key=KEY)[0] == 403
    assert service.ask("GET", "/v1/results")[0] == 401
    # A change by another process ends the session within a second or so, and only that one.
    assert inside("station", "user", "role", service.data, "bo", "operator").returncode == 0
    until(lambda: service.ask("GET", "/", Cookie=cookies["bo"])[0] == 401)
    assert service.ask("GET", "/", Cookie=cookies["cy"])[0] == 200
    assert inside("station", "user", "disable", service.data, "cy").returncode == 0
    until(lambda: service.ask("GET", "/", Cookie=cookies["cy"])[0] == 401)
    assert sign_in(service, "cy")[0] == 403
    # Wrong words are slowed down; nothing that was typed is logged.
    answers = [sign_in(service, "di", "my secret guess 1")[0] for _ in range(7)]
    assert answers == [403] * 5 + [429] * 2
    told = log.read_text("utf-8")
    assert "refused" in told and "secret guess" not in told
    assert not [word for word in WORDS.values() if word in told]
    assert re.search(
        r'excision_wrong_keys_total\{where="login"\} [67]',
        service.ask("GET", "/metrics", X_API_Key=KEY)[2].decode(),
    )
    with closing(sqlite3.connect(service.data / "results.sqlite")) as connection:
        names = [
            row[0] for row in connection.execute("SELECT who FROM events WHERE what = 'labelled' ORDER BY id")
        ]
        assert names == ["cy", "bo", "ada"]
    assert (service.data / "results.sqlite").stat().st_mode & 0o007 == 0


def test_a_file_that_is_gone_for_a_while_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    with closing(Store(path)) as store:
        people = People(store)
        path.rename(tmp_path / "away")
        sqlite3.connect(path).close()
        path.touch()
        people.refresh()
        assert not people.are_set_up
        (tmp_path / "away").replace(path)
        people.users.add("Weber", Role.ADMIN, "correct horse battery", "setup")
        people.refresh()
        assert people.are_set_up
        path.rename(tmp_path / "away")
        path.touch()
        people.refresh()
        assert people.are_set_up
        with pytest.raises(StoreError):
            People(store)
