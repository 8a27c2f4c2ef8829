"""Importing this makes what commands make once in a process: `tests.nursery` forks processes that have it."""

from PIL import Image

from excision.report.page import page_template

Image.init()  # imports a module for each format
for name in ("report.html.j2", "small_table.html.j2"):
    page_template(name)
