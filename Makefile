# make demo   install, then train, calibrate and evaluate on an embedded data set
# make test   install, then run the linter, the type checker and every test
# make docs   install, then build the documentation into site/
# make clean  remove the environment, the site and what the demo made

PYTHON := $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Made again whenever the project's own list of dependencies changes.
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint docs clean

demo: $(INSTALLED)
	$(BIN)/excision demo --out demo

# The tests of deployment run OpenVINO, after which training with torch in the same process can crash: they go alone.
test: lint docs
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --ignore tests/export
	$(BIN)/python -m pytest tests/export

lint: $(INSTALLED)
	$(BIN)/ruff check src tests experiments tools examples
	$(BIN)/ruff format --check src tests experiments tools examples
	$(BIN)/mypy
	$(BIN)/python tools/structure.py

# Strict: a link that leads nowhere or an undocumented argument is an error.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) demo site
