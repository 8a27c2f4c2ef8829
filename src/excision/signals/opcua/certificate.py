"""The certificate of the station's own application, and its key."""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from excision.errors import SettingsError

if TYPE_CHECKING:
    from excision.signals.opcua.settings import OpcUaSettings

CERTIFICATE, KEY = "certificate.der", "key.pem"
"""Files of the certificate, which the other side needs, and of the key, which nobody else may read."""

DAYS = 10 * 365
SOON = 30
"""Days that a new certificate is valid, and before whose end the check says so."""

_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


def application_uri() -> str:
    """Give the identity that a new certificate states."""
    return f"urn:{socket.gethostname()}:excision"


def stated_uri(certificate: Path) -> str:
    """Give the identity that a certificate states: it stays, also where the machine gets another name."""
    from cryptography import x509

    loaded = x509.load_der_x509_certificate(certificate.read_bytes())
    try:
        names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        # A plant's own authority may issue a certificate that states none.
        return application_uri()
    found = names.get_values_for_type(x509.UniformResourceIdentifier)
    return str(found[0]) if found else application_uri()


def own_identity(settings: OpcUaSettings) -> tuple[str, tuple[Path, Path] | None]:
    """Give the identity of the station's application, and the files of its certificate and key.

    Raises:
        SettingsError: the files cannot be used.
    """
    if settings.security == "none" or settings.certificates is None:
        return application_uri(), None
    host = urlsplit(settings.endpoint).hostname if settings.mode == "server" else None
    files = ensure_certificate(settings.certificates, application_uri(), host)
    return stated_uri(files[0]), files


def ensure_certificate(folder: Path, uri: str, host: str | None = None) -> tuple[Path, Path]:
    """Give the files of the certificate and its key; what is missing is made.

    Both are written under a temporary name, readable by their owner alone, and then renamed: nobody sees half
    of one, and a kill between the two leaves a key for which the next start makes the certificate.

    Args:
        folder: of both files.
        uri: of the application, which a new certificate states.
        host: name or address at which clients find a server, which a new certificate states.

    Raises:
        SettingsError: they do not belong together, cannot be read, or cannot be written.
    """
    certificate, key = folder / CERTIFICATE, folder / KEY
    try:
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        if certificate.exists() and not key.exists():
            raise SettingsError(
                f"{key}: is missing; bring it back, or remove {certificate} to make both anew"
            )
        if not key.exists():
            _write_private(key, _new_key())
        if not certificate.exists():
            _write_private(certificate, _new_certificate(key.read_bytes(), uri, host))
        _check(certificate.read_bytes(), key.read_bytes(), certificate)
    except (FileExistsError, NotADirectoryError) as error:
        raise SettingsError(f"certificates is {folder}: this is no folder") from error
    except OSError as error:
        raise SettingsError(f"{error.filename or folder}: {error.strerror}") from error
    return certificate, key


def expires(certificate: Path) -> datetime:
    """Give the time at which a certificate ends."""
    from cryptography import x509

    return x509.load_der_x509_certificate(certificate.read_bytes()).not_valid_after_utc


def fingerprint(certificate: Path) -> str:
    """Give the SHA-1 of a certificate, as tools of OPC UA show it."""
    import hashlib

    return hashlib.sha1(certificate.read_bytes(), usedforsecurity=False).hexdigest().upper()


def _new_key() -> bytes:
    from asyncua.crypto.cert_gen import dump_private_key_as_pem, generate_private_key

    made: bytes = dump_private_key_as_pem(generate_private_key())
    return made


def _new_certificate(key: bytes, uri: str, reached: str | None) -> bytes:
    from asyncua.crypto.cert_gen import generate_self_signed_app_certificate
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID

    host = socket.gethostname()
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(uri),
        x509.DNSName(host),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    if reached is not None and reached not in {host, "127.0.0.1"}:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(reached)))
        except ValueError:
            names.append(x509.DNSName(reached))
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    loaded = _load_key(key)
    made = generate_self_signed_app_certificate(
        loaded, f"Excision@{host}"[:64], {"organizationName": "Excision"}, names, uses, DAYS
    )
    content: bytes = made.public_bytes(Encoding.DER)
    return content


def _check(certificate: bytes, key: bytes, path: Path) -> None:
    from cryptography import x509

    try:
        loaded = x509.load_der_x509_certificate(certificate)
        private = _load_key(key)
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"{path}: it or {KEY} beside it is damaged: remove both to make them anew"
        ) from error
    if loaded.public_key() != private.public_key():
        raise SettingsError(f"{path}: does not belong to {KEY} beside it: remove both to make them anew")
    if loaded.not_valid_after_utc <= datetime.now(UTC):
        raise SettingsError(f"{path}: has ended; remove it to make one anew, and trust it again in the PLC")


def _load_key(content: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(content, None)


def _write_private(target: Path, content: bytes) -> None:
    # mkstemp gives mode 600, and a rename keeps it: the key is never readable by others, not even shortly.
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(_PRIVATE_FILE)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
