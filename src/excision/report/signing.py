"""Lines to sign on: what is accepted, and by whom."""

from __future__ import annotations

from typing import Any

from excision.report.own_words import Words

MEASURED = "Of the model and the images named above, at the decision threshold named above."
INSPECTED = "Of the verdicts on the images of this report, at the decision threshold named above."
STUDIED = "Of the model named above and what this study says of it, at the decision threshold named above."


def signing(about: str, words: Words) -> dict[str, Any]:
    """Give what the template of the lines needs.

    Args:
        about: sentence that says what is accepted.
        words: with the names that are known.

    Returns:
        "acceptance", the words by name, and "people", pairs of a role and a name or None.
    """
    return {
        "acceptance": {
            "title": "Acceptance",
            "about": about,
            "accepted": "accepted",
            "conditions": "accepted under conditions",
            "refused": "not accepted",
            "name": "Name",
            "place": "Place and date",
            "signature": "Signature",
        },
        "people": (("Operator", words.operator), ("Customer", words.customer)),
    }
