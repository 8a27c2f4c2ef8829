"""A real OpenID Connect provider on a port of its own: authlib's grants in a Flask application.

It signs in whoever `who` names without asking. `spoil` makes it a bad one, in one way at a time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, Response, jsonify, redirect, request
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey
from werkzeug.serving import make_server

CLIENT, SECRET = "station-7", "a-client-secret-of-the-plant"


@dataclass
class Code(AuthorizationCodeMixin):  # type: ignore[misc]  # authlib publishes no types
    code: str
    redirect_uri: str
    scope: str
    nonce: str
    user: dict[str, Any]
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass
class Client(ClientMixin):  # type: ignore[misc]  # as above
    back: str

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str:
        return self.back

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.back

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Provider:
    """What a test can turn.

    Attributes:
        port: of the server.
        who: claims of the person who sits at the browser.
        spoil: how the provider misbehaves; empty for not at all.
        back: address that it may lead back to.
        asked: paths that were asked for.
        codes: not yet exchanged.
    """

    port: int = 0
    who: dict[str, Any] = field(default_factory=dict)
    spoil: str = ""
    back: str = ""
    asked: list[str] = field(default_factory=list)
    codes: dict[str, Code] = field(default_factory=dict)
    keys: list[RSAKey | ECKey] = field(default_factory=lambda: [RSAKey.generate_key(2048, {"kid": "first"})])

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/realms/plant"

    def sign(self, claims: dict[str, Any]) -> str:
        """Sign an identity token, well or badly."""
        key, header = self.keys[-1], {"alg": "RS256" if self.keys[-1].key_type == "RSA" else "ES256"}
        header["kid"] = str(key.kid)
        now = int(time.time())
        changes: dict[str, dict[str, Any]] = {
            "nonce": {"nonce": "of another sign-in"},
            "no nonce": {"nonce": None},
            "audience": {"aud": ["station-8"]},
            "audiences": {"aud": [CLIENT, "station-8"]},
            "party": {"azp": "station-8"},
            "issuer": {"iss": "https://elsewhere.example"},
            "expired": {"iat": now - 7200, "exp": now - 3600},
            "future": {"iat": now + 3600, "exp": now + 7200},
            "no subject": {"sub": None},
            "expiry": {"exp": "tomorrow"},
            "hash": {"at_hash": "b3RoZXI"},
        }
        claims = {**claims, **changes.get(self.spoil, {})}
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.spoil == "none":
            return f"{unsigned('none', claims)}."
        if self.spoil == "key":
            return jwt.encode(header, claims, RSAKey.generate_key(2048), [header["alg"]])
        if self.spoil == "unknown key":
            return jwt.encode({**header, "kid": "nobody's"}, claims, key, [header["alg"]])
        if self.spoil == "symmetric":
            # The public key taken for a shared secret: an attack on careless readers.
            content = unsigned("HS256", claims)
            signature = hmac.new(key.as_pem(private=False), content.encode(), hashlib.sha256).digest()
            return f"{content}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        if self.spoil == "no claims":
            return jws.serialize_compact(header, b"[1]", key, [header["alg"]])
        return jwt.encode(header, claims, key, [header["alg"]])


def unsigned(algorithm: str, claims: dict[str, Any]) -> str:
    """Write a token as no library does any more."""
    parts = [json.dumps(part).encode() for part in ({"alg": algorithm, "kid": "first"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def application(provider: Provider) -> Flask:
    app = Flask(__name__)

    class OpenId(OpenIDCode):  # type: ignore[misc]  # as above
        def exists_nonce(self, nonce: str, _request: Any) -> bool:
            return any(code.nonce == nonce for code in provider.codes.values())

        def encode_id_token(self, token: dict[str, Any], request: Any) -> str:
            from authlib.oidc.core.grants.util import create_half_hash

            now, code = int(time.time()), request.authorization_code
            half = create_half_hash(token["access_token"], "RS256").decode()
            return provider.sign(
                {
                    "iss": provider.issuer,
                    "aud": CLIENT,
                    "iat": now,
                    "exp": now + 300,
                    "nonce": code.nonce,
                    "at_hash": half,
                    **UserInfo(code.user),
                }
            )

    class Grant(grants.AuthorizationCodeGrant):  # type: ignore[misc]  # as above
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

        def save_authorization_code(self, code: str, request: Any) -> None:
            data = request.payload.data
            method = data["code_challenge_method"]
            scope, nonce, challenge = request.payload.scope, data["nonce"], data["code_challenge"]
            provider.codes[code] = Code(
                code, request.payload.redirect_uri, scope, nonce, provider.who, challenge, method
            )

        def query_authorization_code(self, code: str, _client: Any) -> Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, authorization_code: Code) -> None:
            provider.codes.pop(authorization_code.code, None)

        def authenticate_user(self, authorization_code: Code) -> dict[str, Any]:
            return authorization_code.user

    server = AuthorizationServer(
        app,
        query_client=lambda identity: Client(provider.back) if identity == CLIENT else None,
        save_token=lambda *_: None,
    )
    server.register_grant(Grant, [OpenId(require_nonce=True), CodeChallenge(required=True)])
    _add_routes(app, server, provider)
    return app


def _add_routes(app: Flask, server: Any, provider: Provider) -> None:
    @app.before_request
    def note() -> Response | None:
        provider.asked.append(request.path)
        if provider.spoil == "hangs" and request.path.endswith("/token"):
            return Response(drip(), mimetype="application/json")
        if provider.spoil == "huge" and request.path.endswith("/token"):
            return Response((b" " * 2**16 for _ in range(64)), mimetype="application/json")
        return None

    @app.get("/realms/plant/.well-known/openid-configuration")
    def describe() -> Response:
        about: dict[str, Any] = {
            "issuer": provider.issuer,
            "authorization_endpoint": f"{provider.issuer}/authorize",
            "token_endpoint": f"{provider.issuer}/token",
            "jwks_uri": f"{provider.issuer}/keys",
            "end_session_endpoint": f"{provider.issuer}/out",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        }
        return jsonify(about)

    @app.get("/realms/plant/keys")
    def keys() -> Response:
        shown: list[Any] = [key.as_dict(private=False) for key in provider.keys]
        return jsonify({"keys": [*shown, {"kty": "new kind"}, "nonsense", {"kty": "RSA", "n": "AQ"}]})

    @app.get("/realms/plant/authorize")
    def authorize() -> Any:
        if provider.spoil == "declines":
            return redirect(f"{provider.back}?error=access_denied&state={request.args['state']}")
        grant = server.get_consent_grant(end_user=provider.who)
        return server.create_authorization_response(grant_user=provider.who, grant=grant)

    @app.post("/realms/plant/token")
    def token() -> Any:
        return server.create_token_response()


def drip() -> Iterator[bytes]:
    """Answer one byte at a time, for ever."""
    while True:
        yield b" "
        time.sleep(0.2)


@contextmanager
def running(port: int = 0, provider: Provider | None = None) -> Iterator[Provider]:
    """Run a provider."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    provider = provider or Provider()
    server = make_server("127.0.0.1", port, application(provider), threaded=True)
    provider.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def subject() -> str:
    """Give the number of a person whom nobody knows yet."""
    return secrets.token_hex(8)
