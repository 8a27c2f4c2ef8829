"""The warnings that are meant for users, as sentences for a record."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from excision import errors


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the sentences of Excision's own warnings; all others are shown as usual.

    A filter that is set inside, such as one that makes a warning an error, takes precedence.
    """
    told: list[str] = []
    kinds = tuple(
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Warning)
    )
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def shown(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, kinds):
                told.append(str(message))
            else:
                usual(message, category, *where, **more)

        warnings.showwarning = shown
        for kind in kinds:
            warnings.simplefilter("always", kind)
        yield told
