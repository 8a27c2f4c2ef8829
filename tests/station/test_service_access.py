"""Keys as people write and send them, sessions, guesses, and where signing in leads."""

from __future__ import annotations

import http.client
import re
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.errors import SettingsError
from excision.station.api import guesses, sessions
from excision.station.api.guesses import Guesses
from excision.station.api.sessions import Sessions
from excision.station.pages.inside import inside
from excision.station.people.attempts import LONGEST
from excision.system.keys import Key, exposure_of, read_key
from tests.station.conftest import Service, Start, serve
from tests.station.test_pages import post

KEY = "Schlüssel für Prüfstand ß"
DECOMPOSED = "Schlu\u0308ssel fu\u0308r Pru\u0308fstand ß"

ENCODINGS = {
    "UTF-8": KEY.encode(),
    "with a newline": KEY.encode() + b"\n",
    "CRLF, and more lines": KEY.encode() + b"\r\nsecond line\r\n",
    "CR": KEY.encode() + b"\rsecond line",
    "spaces around": b"  \t" + KEY.encode() + b" \t \r\n",
    "BOM": b"\xef\xbb\xbf" + KEY.encode() + b"\r\n",
    "UTF-16 with a mark": ("\ufeff" + KEY + "\r\n").encode("utf-16-le"),
    "UTF-16 the other way round": ("\ufeff" + KEY + "\r\n").encode("utf-16-be"),
    "UTF-16 without a mark": (KEY + "\r\n").encode("utf-16-le"),
    "decomposed": DECOMPOSED.encode(),
}


@pytest.mark.parametrize("kind", ENCODINGS)
def test_key_files_as_editors_write_them(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key.txt"
    path.write_bytes(ENCODINGS[kind])
    read = read_key(path)
    assert read is not None
    assert Key(read).is_shown(KEY.encode())


WRONG_FILES = {
    "empty": (b"", "first line"),
    "blank": (b" \r\n" + KEY.encode(), "first line"),
    "only a mark": (b"\xef\xbb\xbf", "first line"),
    "short": (b"fifteen letters\n", "15 characters"),
    "Latin-1": (KEY.encode("latin-1"), "UTF-8"),
    "half of UTF-16": (b"\xff\xfe" + b"a\0" * 20 + b"b", "UTF-16"),
    "control characters": (b"a key that rings\x07 a bell", "cannot be typed"),
    "large": (b"k" * 2**20, "bytes at most"),
}


@pytest.mark.parametrize("kind", WRONG_FILES)
def test_what_is_no_key_is_explained(tmp_path: Path, kind: str) -> None:
    content, reason = WRONG_FILES[kind]
    path = tmp_path / "key.txt"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=reason) as caught:
        read_key(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("value", ["short", "   ", "\u00e4" * 15, "caf\udce9 au lait, twice"])
def test_the_environment_is_read_as_strictly(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("EXCISION_API_KEY", value)
    with pytest.raises(SettingsError, match="EXCISION_API_KEY"):
        read_key(None)


def test_a_short_key_ends_the_start(line: Path, tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("secret\n")
    done = serve(line, "--data", tmp_path / "station", "--api-key-file", tmp_path / "key.txt")
    assert done.returncode == 2
    assert "secrets.token_urlsafe" in done.stderr
    assert "'secret" not in done.stderr


def test_who_can_read_a_key_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key.txt"
    path.write_text(KEY, "utf-8")
    for mode, who in ((0o644, "every user"), (0o604, "every user"), (0o640, "its group"), (0o600, None)):
        path.chmod(mode)
        said = exposure_of(path)
        assert (said is None) == (who is None)
        assert who is None or (said is not None and who in said and "chmod 600" in said)


@given(st.text(min_size=16, max_size=80).filter(lambda text: text.strip() == text), st.binary(max_size=80))
def test_a_key_is_known_by_itself_alone(text: str, other: bytes) -> None:
    key = Key(text)
    assert key.is_shown(text.encode("utf-8", "surrogatepass"))
    assert not key.is_shown(text[:-1].encode("utf-8", "surrogatepass") + b"\x01\x02")
    assert not key.is_shown(b"")
    key.is_shown(other)


def test_a_key_with_umlauts_is_known_in_every_encoding(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "key.txt"
    path.write_bytes(KEY.encode("utf-16"))
    path.chmod(0o644)
    service = start("--api-key-file", path, log=tmp_path / "log")
    for shown in (KEY.encode(), KEY.encode("latin-1"), DECOMPOSED.encode()):
        for name, prefix in (
            ("X-API-Key", b""),
            ("Authorization", b"Bearer "),
            ("authorization", b"bearer  "),
        ):
            assert _status(service, name, prefix + shown) == 200, (name, shown)
    assert _status(service, "X-API-Key", KEY.encode("cp437")) == 401
    assert post(service, "/login", {"key": KEY})[0] == 303
    assert post(service, "/login", {"key": f" {DECOMPOSED} "})[0] == 303
    said = (tmp_path / "log").read_text("utf-8")
    assert "every user of this machine" in said
    assert KEY not in said


def _status(service: Service, name: str, value: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
    try:
        connection.request("GET", "/v1/models", headers={name: value})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_session_ends_when_it_is_said_to(start: Start) -> None:
    service = start(EXCISION_API_KEY=KEY)
    cookies = [_session(service) for _ in range(2)]
    assert cookies[0] != cookies[1]
    for cookie in cookies:
        assert KEY not in cookie
        assert len(cookie) > 40
        assert service.ask("GET", "/v1/results", Cookie=cookie)[0] == 200
    assert service.ask("POST", "/logout", b"", Cookie=cookies[0])[0] == 303
    assert service.ask("GET", "/v1/results", Cookie=cookies[0])[0] == 401
    assert service.ask("GET", "/v1/results", Cookie=cookies[1])[0] == 200
    # Nor does a browser that still shows an old cookie count as one who guesses.
    for _ in range(10):
        assert service.ask("GET", "/v1/results", Cookie=cookies[0])[0] == 401
    for cookie in (f"excision_session={KEY}", "excision_key=x", "excision_session=", "=;;=\x01", "a" * 9000):
        assert service.ask("GET", "/v1/results", Cookie=quote(cookie, "=;"))[0] == 401
    assert b"wrong_keys_total{" not in service.ask("GET", "/metrics", Cookie=cookies[1])[2]


def _session(service: Service) -> str:
    status, headers, _ = service.ask("POST", "/login", f"key={quote(KEY)}".encode())
    assert status == 303
    cookie: str = headers["Set-Cookie"]
    assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in cookie.split(";")}
    return cookie.partition(";")[0]


def test_sessions_end_by_themselves() -> None:
    now = [0.0]
    known = Sessions(lambda: now[0])
    token = known.begin()
    while now[0] < sessions.LONGEST - sessions.IDLE:
        now[0] += sessions.IDLE - 1
        assert known.knows(token)
    now[0] = sessions.LONGEST + 1
    assert not known.knows(token)
    idle = known.begin()
    now[0] += sessions.IDLE + 1
    assert not known.knows(idle)
    first = known.begin()
    for _ in range(1000):
        known.begin()
    assert not known.knows(first)
    assert not known.knows("\ud800")


def test_guesses_are_slowed_down_counted_and_logged(start: Start, tmp_path: Path) -> None:
    service = start(log=tmp_path / "log", EXCISION_API_KEY=KEY)
    wrong = [post(service, "/login", {"key": f"wrong {place}"})[0] for place in range(6)]
    assert wrong == [403] * 5 + [429]
    status, headers, page = service.ask("POST", "/login", f"key={quote(KEY)}".encode())
    assert status == 429
    assert 1 <= int(headers["Retry-After"]) <= 60
    assert b"Too many wrong keys" in page
    status, headers, _ = service.ask("GET", "/v1/results", X_API_Key=KEY)
    assert (status, headers["Retry-After"].isdigit()) == (429, True)
    other = _from("127.0.0.2", service, KEY)
    assert other == 200
    assert [_from("127.0.0.2", service, f"wrong {place}") for place in range(20)][-1] == 429
    assert _from("127.0.0.2", service, KEY) == 200, "who has shown the right key is not locked out"
    said = (tmp_path / "log").read_text("utf-8")
    assert "wrong key from 127.0.0.1 (login), number 5 in a row" in said
    assert "wrong key from 127.0.0.2 (interface), number 16 in a row" in said
    assert len(said) < 5000
    connection = http.client.HTTPConnection("127.0.0.1", service.port, source_address=("127.0.0.2", 0))
    connection.request("GET", "/metrics", headers={"X-API-Key": KEY.encode()})
    counted = connection.getresponse().read().decode()
    connection.close()
    assert 'excision_wrong_keys_total{where="login"} 7.0' in counted
    assert re.search(r'excision_wrong_keys_total\{where="interface"\} 2\d\.0', counted)


def _from(address: str, service: Service, key: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, source_address=(address, 0))
    try:
        connection.request("GET", "/v1/models", headers={"X-API-Key": key.encode()})
        return connection.getresponse().status
    finally:
        connection.close()


@given(st.lists(st.floats(0, 200), max_size=60))
def test_nobody_waits_for_longer_than_a_minute(pauses: list[float]) -> None:
    now = [1000.0]
    record = Guesses(lambda: now[0])
    for pause in pauses:
        record.wrong("10.0.0.1", "login")
        assert 0 <= record.wait("10.0.0.1") <= LONGEST
        now[0] += pause
    now[0] += LONGEST
    assert record.wait("10.0.0.1") == 0


def test_all_addresses_together_are_limited() -> None:
    now = [1000.0]
    record = Guesses(lambda: now[0])
    record.right("10.9.9.9")
    for place in range(guesses.TOTAL):
        record.wrong(f"10.0.{place % 250}.1", "login")
    assert 0 < record.wait("10.7.7.7") <= guesses.WINDOW
    assert record.wait("10.9.9.9") == 0
    now[0] += guesses.WINDOW
    assert record.wait("10.7.7.7") == 0


def test_one_network_of_ipv6_is_one_guesser() -> None:
    record = Guesses(lambda: 1000.0)
    for place in range(guesses.FREE):
        record.wrong(f"2001:db8:1:2::{place + 1:x}", "login")
    assert record.wait("2001:db8:1:2:ffff::1") > 0
    assert record.wait("2001:db8:1:3::1") == 0


def test_guessers_are_forgotten_before_they_fill_the_memory() -> None:
    record = Guesses(lambda: 1000.0)
    for place in range(20_000):
        record.wrong(f"10.{place >> 16}.{place >> 8 & 255}.{place & 255}", "login")
        record.right(f"11.{place >> 16}.{place >> 8 & 255}.{place & 255}")
    assert len(record._records) <= 4096
    assert len(record._known) <= 4096


AWAY = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil",
    "https:evil.example",
    "https://evil.example/",
    "javascript:alert(1)",
    "evil",
    "",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/%2f/evil.example",
    "/%5cevil.example",
    "%2f%2fevil.example",
    "/%252f%252fevil.example",
    "/%09/evil.example",
    "/%0d%0aSet-Cookie:%20a=b",
    "/\r\nSet-Cookie: a=b",
    "/\x00",
    "/\ud800",
    "/" + "a" * 10_000,
]


@pytest.mark.parametrize("to", AWAY)
def test_signing_in_leads_to_this_station_alone(service: Service, to: str) -> None:
    body = b"to=" + "".join(f"%{byte:02x}" for byte in to.encode("utf-8", "surrogatepass")).encode()
    status, headers, _ = service.ask("POST", "/login", body)
    assert status == 303
    target = headers["Location"]
    assert urlsplit(urljoin("http://station/login", target)).netloc == "station"
    assert "evil" not in target
    assert headers["Set-Cookie"] is None
    status, _, page = service.ask("GET", f"/login?to={quote(to, errors='replace')}")
    assert status in (200, 414)
    assert b"evil" not in page


@given(st.text(st.sampled_from("/\\%25cf09ae:@?#.\t\n\r \x00evil"), max_size=12), st.text(max_size=20))
def test_no_target_leads_away(start_of_it: str, rest: str) -> None:
    found = inside(start_of_it + rest)
    assert found.startswith("/")
    assert not found.startswith(("//", "/\\"))
    assert not set(found) & set("\t\r\n\\\0")
    assert urlsplit(urljoin("http://station/login", found)).netloc == "station"


@pytest.mark.parametrize("to", ["/", "/review?verdict=defect&source=a%2Fb", "/models#fabric", "/review?id=7"])
def test_targets_on_the_station_stay_as_they_are(to: str) -> None:
    assert inside(to) == to


def test_an_option_for_the_proxy_is_checked(line: Path, tmp_path: Path) -> None:
    for words, reason in (
        (("--behind-proxy", "station.example"), "no address"),
        (("--behind-proxy", "10.0.0.1/24"), "no address"),
        (("--behind-proxy", "*"), "no address"),
        (("--behind-proxy", "127.0.0.1"), "--api-key-file"),
        (("--connections", "0"), "connections is 0"),
    ):
        done = serve(line, "--data", tmp_path / "station", *words)
        assert done.returncode == 2
        assert reason in done.stderr, done.stderr


def test_a_program_with_an_old_key_locks_nobody_out(start: Start) -> None:
    """It shows the same wrong key again and again, and others share its address."""
    service = start(EXCISION_API_KEY=KEY)
    for _ in range(40):
        assert _from("127.0.0.7", service, "the key of the day before") == 401
    assert _from("127.0.0.7", service, KEY) == 200


def test_one_address_that_guesses_on_leaves_the_others_alone() -> None:
    now = [1000.0]
    record = Guesses(lambda: now[0])
    record.right("10.0.0.1")
    for place in range(10_000):
        record.wrong("10.0.0.1", "interface", str(place).encode())
        now[0] += 0.01
    assert record.wait("10.7.7.7") == 0


def test_cookies_of_others_do_not_end_a_session(start: Start) -> None:
    service = start(EXCISION_API_KEY=KEY)
    cookie = _session(service)
    for other in ('seen={"a": 1}', "a b=c d", "x", "=", '"=";;', "k[]=v", "n=\xe9", "excision_key=old"):
        for shown in (f"{other}; {cookie}", f"{cookie}; {other}"):
            assert service.ask("GET", "/v1/results", Cookie=shown)[0] == 200, shown
