"""Fleets: many models, each trained, evaluated and exported by a process of its own.

plan.py      fleet.toml: the models and their settings
record.py    what was done with each model, beside it in its run folder
work.py      one model: train, evaluate, export
child.py     the process that does one of these
steps.py     the same for all models, several at once
concerns.py  what needs a person, and why
table.py     one row for each model: fleet.json, fleet.csv, fleet.parquet
page.py      the report of a fleet
"""
