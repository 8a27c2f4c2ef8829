"""`excision verify`: check an exported model on the machine that will run it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.export import proof_rows
from excision.cli.options import ExportedArgument, number
from excision.cli.output import say, say_table

app = App(
    name="verify",
    help_epilogue="Run this once on the machine that will run the model, because processors round "
    "differently. It needs no torch and takes seconds. The exit status is 2 if the scores drift too far."
    "\n\n"
    "```\nexcision verify line/parts\n```",
)


@app.default
def verify(
    folder: ExportedArgument,
    /,
    *,
    allow_drift: Annotated[
        float | None,
        Parameter(
            help="Largest accepted difference of a score, as a share of the decision threshold. By default "
            "0.1% for fp32, 10% for bf16 and 25% for int8.",
            converter=number,
        ),
    ] = None,
    threads: Annotated[int | None, Parameter(help="Threads per inspection.")] = None,
) -> int:
    """Inspect the golden images of an exported model and compare the results with those of torch."""
    from excision.runtime.inspector import Inspector
    from excision.runtime.verification import verify as check

    proof = check(Inspector(folder, threads), allow_drift)
    say_table(f"{folder}", ("", ""), [*proof_rows(proof), ["seconds", f"{proof.seconds:.2f}"]])
    say("The model gives the same results on this machine.")
    return 0
