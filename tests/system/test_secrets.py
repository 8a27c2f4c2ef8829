"""What gives access never leaves a URL for a log, a message or a table."""

from __future__ import annotations

import pytest

from excision.system.secrets import without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pass@host/a.png", "https://***@host/a.png"),
        ("https://token@host/a.png", "https://***@host/a.png"),
        ("s3://key:secret@bucket/a.png", "s3://***@bucket/a.png"),
        ("https://b/a.png?X-Amz-Date=1&X-Amz-Signature=ab&id=3", "https://b/a.png?X-Amz-Date=1&X-Amz-Signature=***&id=3"),
        ("https://b/a.png?sv=1&sig=a%2Fb", "https://b/a.png?sv=1&sig=***"),
        ("(URL('https://b/a?access_token=x'): 403)", "(URL('https://b/a?access_token=***'): 403)"),
        ("abfs://container@account/a.png", "abfs://container@account/a.png"),
        ("https://host/me@home.png?page=2", "https://host/me@home.png?page=2"),
        ("parts/a?key=1.png", "parts/a?key=1.png"),
    ],
)  # fmt: skip
def test_secrets_are_hidden(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
