"""Signing in with a real OpenID Connect provider, a good one and bad ones."""

from __future__ import annotations

import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

import pytest
from joserfc.jwk import ECKey

from excision.errors import SettingsError
from excision.station.people.oidc.errors import SignInError
from excision.station.people.oidc.pending import LONGEST, Sealing
from excision.station.people.oidc.provider import Provider as Client
from excision.station.people.oidc.settings import OidcSettings
from excision.station.people.roles import Role
from excision.station.people.users import Users
from excision.station.store.store import Store
from excision.system.credentials import Secret
from tests.browser import opened
from tests.cli.conftest import inside
from tests.station.conftest import Service, begin, end
from tests.station.people.provider import CLIENT, SECRET, Provider, running, subject
from tests.station.people.test_users import set_up, sign_in


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def table(provider: Provider, port: int, secret: Path, more: str = "") -> str:
    return f"""
[people.oidc]
issuer = "{provider.issuer}"
client_id = "{CLIENT}"
client_secret = {{ file = "{secret}" }}
address = "http://127.0.0.1:{port}"
label = "Plant"
role_claim = "realm_access.roles"
roles = {{ "qa-lead" = "engineer", "line" = "operator", "it" = "admin" }}
timeout = "4 s"
{more}
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running() as provider:
        yield provider


@pytest.fixture(scope="module")
def station(provider: Provider, line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A station with users of its own and a provider."""
    folder, port = tmp_path_factory.mktemp("oidc"), free_port()
    secret = folder / "secret.txt"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    file = folder / "station.toml"
    file.write_text(f'[models.fabric]\nfolder = "{line}"\n{table(provider, port, secret)}', "utf-8")
    set_up(folder / "station")
    provider.back = f"http://127.0.0.1:{port}/login/oidc/back"
    service = begin(line, folder / "station", "--file", file, port=port, log=folder / "log.txt")
    yield service
    end(service)


@pytest.fixture(autouse=True)
def good(provider: Provider) -> None:
    provider.spoil, provider.who = "", person("Eva Lang", "line")


def person(name: str, *roles: str, sub: str | None = None) -> dict[str, Any]:
    return {
        "sub": sub or subject(),
        "preferred_username": name,
        "realm_access": {"roles": ["unknown", *roles]},
    }


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def led(station: Service, to: str = "/") -> tuple[str, str]:
    """Press the button: gives the address at the provider, and the cookie."""
    status, headers, _ = station.ask("GET", f"/login/oidc?to={quote(to)}")
    assert status == 303
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/login" in cookie
    return headers["Location"], cookie.partition(";")[0]


def back_from(address: str) -> str:
    """Ask the provider as a browser would; gives the path that it leads back to."""
    from urllib.error import HTTPError

    try:
        build_opener(_Stay()).open(address, timeout=60)
    except HTTPError as redirect:
        assert redirect.code == 302, redirect.read()
        parts = urlsplit(redirect.headers["Location"])
        return f"{parts.path}?{parts.query}"
    raise AssertionError("the provider did not lead back")


def come_back(station: Service, path: str, cookie: str) -> tuple[int, dict[str, str], str]:
    status, headers, body = station.ask("GET", path, Cookie=cookie)
    cookies = dict(
        one.partition(";")[0].partition("=")[::2]
        for one in headers.get_all("Set-Cookie") or []
        if "Max-Age=0" not in one
    )
    return status, cookies, unescape(body.decode())


def whole(station: Service, to: str = "/") -> tuple[int, dict[str, str], str]:
    address, cookie = led(station, to)
    return come_back(station, back_from(address), cookie)


def session(cookies: dict[str, str]) -> str:
    return f"excision_session={cookies['excision_session']}"


def events(station: Service) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(station.data / "results.sqlite")) as connection:
        return connection.execute("SELECT what, who, details FROM events ORDER BY id").fetchall()


def log_of(station: Service) -> str:
    return (station.data.parent / "log.txt").read_text("utf-8")


def test_the_provider_signs_somebody_in(station: Service, provider: Provider) -> None:
    address, cookie = led(station, "/review?verdict=defect")
    asked = parse_qs(urlsplit(address).query)
    assert asked["response_type"] == ["code"] and asked["code_challenge_method"] == ["S256"]
    assert asked["client_id"] == [CLIENT] and asked["redirect_uri"] == [provider.back]
    assert asked["prompt"] == ["login"] and "openid" in asked["scope"][0]
    assert len(asked["state"][0]) >= 43 and len(asked["nonce"][0]) >= 43
    path = back_from(address)
    status, cookies, page = come_back(station, path, cookie)
    assert status == 200 and "signed in as Eva Lang" in page
    assert re.search(r'http-equiv="refresh" content="0; url=/review\?verdict=defect"', page)
    shown = session(cookies)
    status, _, body = station.ask("GET", "/", Cookie=shown)
    assert status == 200 and b"Eva Lang" in body
    assert station.ask("GET", "/users", Cookie=shown)[0] == 403
    # The same way back a second time leads nowhere, with or without the cookie.
    for again in (cookie, ""):
        status, cookies, page = come_back(station, path, again)
        assert status == 400 and "excision_session" not in cookies and "did not begin in this browser" in page
    # Signing out ends the session, and names the way out of the provider.
    status, headers, _ = station.ask("POST", "/logout", b"", Cookie=shown)
    assert status == 303 and headers["Location"] == "/login?out=yes"
    body = station.ask("GET", "/login?out=yes")[2]
    assert f"{provider.issuer}/out?client_id={CLIENT}".encode() in body
    assert station.ask("GET", "/", Cookie=shown)[0] == 401
    told = events(station)
    assert ("user added", "Plant", '{"user": "Eva Lang", "role": "operator"}') in told
    assert ("signed in", "Eva Lang", "{}") in told and ("signed out", "Eva Lang", "{}") in told
    assert SECRET not in log_of(station) and SECRET not in str(told)


def test_the_role_follows_the_provider(station: Service, provider: Provider) -> None:
    sub = subject()
    provider.who = person("Finn", "line", sub=sub)
    first = session(whole(station)[1])
    provider.who = person("Finn Renamed", "line", "qa-lead", sub=sub)
    second = session(whole(station)[1])
    # The higher role counts, the name stays, and the session with the old role is over.
    assert station.ask("GET", "/", Cookie=first)[0] == 401
    assert b"Finn</span>" in station.ask("GET", "/", Cookie=second)[2]
    change = {"threshold": 0.5}
    assert station.json("POST", "/v1/models/fabric/thresholds", change, Cookie=second)[0] == 200
    provider.who = person("Finn", sub=sub)
    status, cookies, page = whole(station)
    assert status == 403 and "excision_session" not in cookies and "you have no role" in page
    assert '"role": "engineer", "before": "operator"' in str(events(station))


def test_nobody_becomes_a_user_of_the_same_name(station: Service, provider: Provider) -> None:
    provider.who = person("ADA", "line")
    status, cookies, page = whole(station)
    assert status == 200 and "ADA (Plant)" in page
    assert station.ask("GET", "/users", Cookie=session(cookies))[0] == 403
    provider.who = person("API key: x", "line")
    status, cookies, page = whole(station)
    assert status == 403 and "Nobody can have this name" in page and "excision_session" not in cookies
    # Without a name the number of the person stands for it.
    provider.who = {**person("", "line", sub="42-of-the-plant")}
    assert "42-of-the-plant" in whole(station)[2]
    # What a provider says cannot be changed here, and no password opens such a user.
    with closing(Store(station.data / "results.sqlite")) as store:
        users = Users(store)
        with pytest.raises(SettingsError, match="signs in with a provider"):
            users.set_password("ada (plant)", "a new word 55", "test")
        with pytest.raises(SettingsError, match="signs in with a provider"):
            users.set_role("ada (plant)", Role.ADMIN, "test")
        assert sign_in(station, "ADA+(Plant)", " ")[0] == 403
        users.set_disabled("ada (plant)", True, "test")
    provider.who = person(
        "ADA", "line", sub=next(user.subject for user in all_users(station) if user.name == "ADA (Plant)")
    )
    status, cookies, page = whole(station)
    assert status == 403 and "ADA (Plant) is disabled" in page and "excision_session" not in cookies


def all_users(station: Service) -> list[Any]:
    with closing(Store(station.data / "results.sqlite")) as store:
        return Users(store).all()


BAD = {
    "nonce": "Invalid claim: 'nonce'",
    "no nonce": "Missing claim: 'nonce'",
    "audience": "Invalid claim: 'aud'",
    "audiences": "Missing claim: 'azp'",
    "party": "Invalid claim: 'azp'",
    "issuer": "Invalid claim: 'iss'",
    "expired": "The token is expired",
    "future": "issued in the future",
    "no subject": "Missing claim: 'sub'",
    "expiry": "'exp'",
    "hash": "Invalid claim: 'at_hash'",
    "none": "signed by 'none'",
    "symmetric": "signed by 'HS256'",
    "key": "bad_signature",
    "unknown key": "a key that the provider does not show",
    "no claims": "invalid_payload",
    "huge": "more than 1048576 bytes",
}


@pytest.mark.parametrize("spoil", BAD)
def test_what_must_not_be_believed_signs_nobody_in(station: Service, provider: Provider, spoil: str) -> None:
    before, told = len(all_users(station)), len(log_of(station))
    provider.spoil = spoil
    status, cookies, page = whole(station)
    assert status == 502 and "excision_session" not in cookies, page
    assert "must not believe" in page and BAD[spoil] in log_of(station)[told:]
    assert "Traceback" not in log_of(station) and len(all_users(station)) == before


def test_a_provider_that_declines_or_hangs(station: Service, provider: Provider) -> None:
    provider.spoil = "declines"
    status, cookies, page = whole(station)
    assert status == 403 and "did not sign you in" in page and "excision_session" not in cookies
    provider.spoil = "hangs"
    began = time.monotonic()
    status, cookies, page = whole(station)
    assert status == 503 and "cannot be reached" in page and "excision_session" not in cookies
    assert time.monotonic() - began < 60


def test_a_way_back_that_is_not_this_browsers(station: Service) -> None:
    address, cookie = led(station)
    path = back_from(address)
    other, others_cookie = led(station)
    # Somebody leads another browser to the end of a sign-in of his own, or swaps state or issuer.
    for wrong, shown in (
        (path, others_cookie),
        (path, ""),
        (path, cookie[:-2] + "xx"),
        (re.sub(r"state=[^&]+", "state=" + "x" * 43, path), cookie),
        (re.sub(r"&?state=[^&]+", "", path), cookie),
        ("/login/oidc/back?state=%C3%A9~&state=x", "excision_signing_in=~~~~"),
    ):
        status, cookies, _ = come_back(station, wrong, shown)
        assert status == 400 and "excision_session" not in cookies, wrong
    status, cookies, _ = come_back(
        station, f"{back_from(other)}&iss=https://elsewhere.example", others_cookie
    )
    assert status == 502 and "excision_session" not in cookies
    # A code of somebody else does not fit the proof of this browser.
    third, thirds_cookie = led(station)
    code = parse_qs(urlsplit(path).query)["code"][0]
    swapped = re.sub(r"code=[^&]+", f"code={code}", back_from(third))
    status, cookies, _ = come_back(station, swapped, thirds_cookie)
    assert status == 502 and "excision_session" not in cookies
    # None of this used up the sign-in of the first browser, whose code nobody else could exchange.
    assert come_back(station, path, cookie)[0] == 200


@pytest.mark.parametrize(
    "to",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/" + "x" * 3000],
)
def test_no_page_leads_elsewhere(station: Service, to: str) -> None:
    status, _, page = whole(station, to)
    assert status == 200 and 'content="0; url=/"' in page and "evil" not in page


def test_keys_may_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(SECRET)
    with running() as plant:
        settings = OidcSettings(
            issuer=plant.issuer,
            client_id=CLIENT,
            client_secret=Secret(tmp_path / "secret.txt"),
            address="http://127.0.0.1:9",
            roles={"line": "operator"},
        )
        plant.back, plant.who = settings.back, person("Eva Lang")
        client, sealing = Client(settings), Sealing()

        def claims() -> dict[str, Any]:
            pending = sealing.begin("/")
            back = back_from(client.address_for(pending))
            return client.claims(parse_qs(urlsplit(back).query)["code"][0], pending)

        assert claims()["preferred_username"] == "Eva Lang"
        plant.keys.append(ECKey.generate_key("P-256", {"kid": "second"}))
        asked = plant.asked.count("/realms/plant/keys")
        # Whoever shows many unknown keys does not make the station ask each time.
        for _ in range(3):
            with pytest.raises(SignInError, match="does not show"):
                claims()
        assert plant.asked.count("/realms/plant/keys") == asked
        monkeypatch.setattr("excision.station.people.oidc.provider._PAUSE", 0.0)
        assert claims()["preferred_username"] == "Eva Lang"
        assert plant.asked.count("/realms/plant/keys") == asked + 1


def test_own_users_come_in_while_the_provider_is_away(line: Path, tmp_path: Path, browser: Any) -> None:
    port, secret = free_port(), tmp_path / "secret.txt"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    file, away = tmp_path / "station.toml", Provider(port=free_port())
    file.write_text(f'[models.fabric]\nfolder = "{line}"\n{table(away, port, secret)}', "utf-8")
    checked = inside("station", "check", file)
    assert checked.returncode == 1 and "cannot be reached" in checked.stdout.replace("\n", " ")
    set_up(tmp_path / "station")
    station = begin(line, tmp_path / "station", "--file", file, port=port)
    try:
        with opened(browser, f"{station.url}/") as page:
            page.get_by_role("link", name="Sign in with Plant").wait_for()
            assert page.locator("[name=password]").count() == 1
        status, _, body = station.ask("GET", "/login/oidc")
        assert status == 503 and b"cannot be reached now" in body
        assert sign_in(station, "ada")[0] == 303
        # It comes back, and a browser goes the whole way: also to the page that it wanted first.
        away.back, away.who = f"http://127.0.0.1:{port}/login/oidc/back", person("Gil", "it")
        with running(away.port, away):
            checked = inside("station", "check", file)
            assert checked.returncode == 0, checked.stdout
            assert "/login/oidc/back" in checked.stdout.replace("\n", "").replace(" ", "")
            with opened(browser, f"{station.url}/users") as page:
                page.get_by_role("link", name="Sign in with Plant").click()
                page.wait_for_url(f"{station.url}/users")
                page.locator(".person", has_text="Gil").wait_for()
                row = page.locator(".people > li", has_text="Gil")
                assert away.issuer in row.inner_text() and row.locator("select").count() == 0
                page.get_by_role("button", name="Sign out").click()
                page.get_by_role("link", name="Sign out at Plant too").wait_for()
    finally:
        end(station)


def test_a_provider_alone_closes_a_station(line: Path, tmp_path: Path, provider: Provider) -> None:
    port, secret = free_port(), tmp_path / "secret.txt"
    secret.write_text(SECRET)
    file = tmp_path / "station.toml"
    file.write_text(f'[models.fabric]\nfolder = "{line}"\n{table(provider, port, secret)}', "utf-8")
    station = begin(line, tmp_path / "station", "--file", file)
    try:
        assert station.ask("GET", "/v1/results")[0] == 401
        body = station.ask("GET", "/login")[2]
        assert b"Sign in with Plant" in body and b"password" not in body
    finally:
        end(station)


def test_a_sign_in_takes_ten_minutes_at_most() -> None:
    now = [0.0]
    sealing = Sealing(lambda: now[0])
    late, fresh = sealing.begin("/"), sealing.begin("/über?a=~")
    assert len({fresh.state, fresh.nonce, fresh.verifier, late.state, late.nonce, late.verifier}) == 6
    assert Sealing().recognise(fresh.cookie, fresh.state) is None
    now[0] = LONGEST
    found = sealing.recognise(fresh.cookie, fresh.state)
    assert found == fresh and found.to == "/über?a=~"
    now[0] = LONGEST + 1
    assert sealing.recognise(late.cookie, late.state) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"issuer": "http://login.plant.example"}, "https"),
        ({"issuer": "https://user:word@login.example"}, "issuer"),
        ({"address": "https://station.example/pages"}, "without a path"),
        ({"address": "http://station.example"}, "https"),
        ({"roles": {}}, "nobody could sign in"),
        ({"scopes": ("profile",)}, "openid"),
        ({"client_id": " "}, "client_id"),
        ({"session": 5.0}, "session"),
        ({"timeout": 0.1}, "timeout"),
    ],
)
def test_settings_that_cannot_be_meant(change: dict[str, Any], said: str) -> None:
    right: dict[str, Any] = {
        "issuer": "https://login.example",
        "client_id": CLIENT,
        "address": "https://station.example",
        "roles": {"line": "operator"},
    }
    OidcSettings(**right)
    with pytest.raises(SettingsError, match=said):
        OidcSettings(**{**right, **change})


def test_the_secret_does_not_stand_in_the_file(tmp_path: Path, provider: Provider) -> None:
    file = tmp_path / "station.toml"
    text = table(provider, 8000, tmp_path / "secret.txt")
    file.write_text(re.sub(r"client_secret = .*", f'client_secret = "{SECRET}"', text), "utf-8")
    checked = inside("station", "check", file)
    assert checked.returncode == 1 and SECRET not in checked.stdout + checked.stderr
    assert "does not stand in this file" in re.sub(r"\s+", " ", checked.stdout)
