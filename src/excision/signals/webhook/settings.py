"""What the table of a webhook says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from excision.errors import SettingsError
from excision.system.credentials import Secret
from excision.system.duration import Duration

if TYPE_CHECKING:
    from excision.signals.webhook.signal import WebhookSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """`[signals.webhook]`: where reports are posted to.

    Attributes:
        url: that gets a POST for each report.
        secret: key of the signature; one that begins with "whsec_" is followed by its bytes in base64.
        timeout: of one request, from connecting to the end of the answer.
        give_up: age of a report after which a failed try is the last one: it is then a dead letter.
        ca_file: certificates that the server's must be signed by; without it, those of the system.
    """

    url: str
    secret: Secret
    timeout: Duration = 5.0
    give_up: Duration = 3600.0
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            good = good and parts.username is None and not parts.fragment
        except ValueError:
            good = False
        if not good or not self.url.isprintable() or not self.url.isascii() or " " in self.url:
            raise SettingsError("url: give an address such as https://mes.example/excision, without user")
        if self.ca_file is not None and not self.url.startswith("https"):
            raise SettingsError("ca_file needs a url that begins with https")

    def open(self, name: str) -> WebhookSignal:
        """Give the signal, not started.

        Raises:
            SettingsError: a file or variable cannot be read.
        """
        from excision.signals.webhook.signal import WebhookSignal

        return WebhookSignal(name, self)

    def check(self) -> str:
        """Connect to the server, with TLS where the address says so; nothing is posted.

        Raises:
            SignalError: it cannot be reached.
            SettingsError: a file or variable cannot be read.
        """
        from excision.signals.webhook.signal import WebhookSignal

        WebhookSignal("check", self).knock()
        exposed = self.secret.exposure()
        told = f"{urlsplit(self.url).netloc} listens; nothing was posted"
        if self.url.startswith("http:"):
            told += "; without https everybody on the way can read the reports"
        return f"{told}; {exposed}" if exposed else told
