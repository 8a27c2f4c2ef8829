"""`excision attention`: the network that says where something defect-like may be."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="attention",
    help_epilogue="The weights of both variants ship with the package, so nothing needs to be pre-trained. "
    "`excision attention VERB --help` shows an example of each.",
)
app.command(
    "excision.cli.attention_show:app",
    name="show",
    help="Draw attention and mask of images, as they would be before any training.",
)
app.command(
    "excision.cli.attention_coverage:app",
    name="coverage",
    help="Measure how much of the true defects a mask of a given share covers.",
)
app.command(
    "excision.cli.attention_pretrain:app",
    name="pretrain",
    help="Make the attention weights again, from the MNIST files.",
)
