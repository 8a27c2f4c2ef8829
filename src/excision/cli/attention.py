"""`excision attention`: the network that finds where an image may be defective."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="attention",
    help_epilogue="The weights of both variants come with the package, so you need not pre-train them. "
    "`excision attention VERB --help` explains each verb with an example.",
)
app.command(
    "excision.cli.attention_show:app",
    name="show",
    help="Draw the attention and the mask of images, as they are before any training.",
)
app.command(
    "excision.cli.attention_coverage:app",
    name="coverage",
    help="Measure how much of the true defect area a mask of a given size covers.",
)
app.command(
    "excision.cli.attention_pretrain:app",
    name="pretrain",
    help="Train the attention weights again, from the MNIST files.",
)
