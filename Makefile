# make demo   install, then train, calibrate and evaluate on an embedded data set
# make test   install, then run the linter, the type checker and every test, side by side
# make docs   install, then build the documentation into site/
# make clean  remove the environment, the site and what the demo made

PYTHON := $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Most of what is installed is never imported: what is, is compiled then, and kept. Containers often forbid to keep it;
# then each of the hundreds of processes that the tests start would compile all that it imports once more.
export PYTHONDONTWRITEBYTECODE :=
# Made again whenever the project's own list of dependencies changes.
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-openvino test-others lint docs clean

demo: $(INSTALLED)
	$(BIN)/excision demo --out demo

# After OpenVINO, training with torch in the same process can crash: the tests that may run it, tests/export, have one
# of their own. What each says is shown when it ends. The tests build the documentation, too. The other tests take
# longest, and wait for servers, cameras and browsers: by `nice`, type checker and tests/export use what they leave.
test: $(INSTALLED)
	shared=$$(mktemp -d) && { EXCISION_TESTS_SHARED=$$shared $(MAKE) --jobs 3 --output-sync --keep-going \
		lint test-openvino test-others; status=$$?; rm -r $$shared; exit $$status; }

test-openvino: $(INSTALLED)
	nice $(BIN)/python -m pytest tests/export

# A file stays with one process, the longest files come first. As many tests wait, one process more than there are
# cores keeps the cores busy.
test-others: $(INSTALLED)
	$(BIN)/python -m pytest --ignore tests/export --numprocesses $$(($$(nproc) + 1)) --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff check src tests experiments tools examples
	$(BIN)/ruff format --check src tests experiments tools examples
	nice $(BIN)/mypy
	$(BIN)/python tools/structure.py

# Strict: a link that leads nowhere is an error.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) demo site
