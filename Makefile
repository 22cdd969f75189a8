# make demo | test | lint | clean; each makes .venv first when it is missing or out of date.
VENV ?= .venv
PY ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
READY := $(VENV)/.ready

.PHONY: demo test lint clean

demo: $(READY)
	$(VENV)/bin/fedsa simulate simulations/quickstart.toml

# Four processes on two cores: one waits on the real federation, which its tests share, and the
# slow ones of the others wait a lot too. More threads would spin at each other.
test: export OMP_NUM_THREADS ?= 1
# Some two hundred processes import the library: compile it once, whatever the shell says.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(READY)
	$(VENV)/bin/python -m pytest -n 4

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# The stamp is set last, so that an installation cut short is taken up again.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PY)" || { echo "No Python 3.11 or newer was found: install one, or say 'make PY=/path/to/python'."; exit 1; }
	$(PY) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
