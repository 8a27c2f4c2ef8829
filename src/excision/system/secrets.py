"""Takes passwords, keys and signatures out of URLs before these are printed or stored."""

from __future__ import annotations

import re

HIDDEN = "***"

_USER = re.compile(r"((?i:https?|ftps?|sftp)://|://(?=[^/\s@?#]*:))[^/\s@?#]+@")
_QUERY = re.compile(
    r"([?&;](?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature|Policy|"
    r"Key-Pair-Id|sig|[\w-]*(?:token|secret|password|key))=)[^&;#\s'\")\]]+",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """Hide what gives access in the URLs of a text: user and password, and signatures, keys and tokens."""
    if "://" not in text:
        return text
    return _QUERY.sub(rf"\g<1>{HIDDEN}", _USER.sub(rf"\g<1>{HIDDEN}@", text))
