# Every target sets up what it needs in .venv; only the package index is used.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO ?= demo
BACKEND ?= auto
TENSORFLOW := $(VENV)-tensorflow/bin/python

# The tests and the demo start hundreds of Pythons: what one has compiled, the next ones load.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo test test-slow lint types docs site bench clean

setup: $(READY)

$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 10) else "Python 3.10 or newer is needed, this is %d.%d; try: make PYTHON=python3.11" % v[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

# On which device: `make demo BACKEND=cuda`.
demo: $(READY)
	PATH="$(abspath $(BIN)):$$PATH" BACKEND="$(BACKEND)" sh examples/demo.sh $(DEMO)

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

# Which tests: `make test-slow SLOW="slow and not long"` leaves out those of minutes each.
SLOW ?= slow
test-slow: $(READY) tensorflow
	$(if $(wildcard $(TENSORFLOW)),BERTKIT_TENSORFLOW_PYTHON=$(abspath $(TENSORFLOW))) $(BIN)/python -m pytest -n 2 --dist worksteal -m "$(SLOW)"

# TensorFlow reads and writes what the slow tests compare with; it lives apart from everything else.
# Where it has no build for this Python, those tests skip and say so.
.PHONY: tensorflow
tensorflow:
	@test -x $(TENSORFLOW) || { $(PYTHON) -m venv $(VENV)-tensorflow && \
	  $(VENV)-tensorflow/bin/python -m pip install --quiet 'tensorflow-cpu==2.21.0'; } || \
	  { rm -rf $(VENV)-tensorflow; echo "no TensorFlow for this Python: its tests will skip"; }

# Cerebras' package needs its own torch and numpy, so its tests have an environment of their own
# (6 GB: torch 2.4 brings CUDA's libraries). Those tests also run in `make test`, on a stand-in.
CEREBRAS := $(VENV)-cs
CEREBRAS_READY := $(CEREBRAS)/.ready
CEREBRAS_PYTHON ?= python3.11

.PHONY: test-cs
test-cs: $(CEREBRAS_READY)
	BERTKIT_CEREBRAS=1 $(CEREBRAS)/bin/python -m pytest -p no:cacheprovider \
	  tests/backends/cs

$(CEREBRAS_READY): setup.cfg tests/backends/cs/requirements.txt
	test -x $(CEREBRAS)/bin/python || $(CEREBRAS_PYTHON) -m venv $(CEREBRAS)
	$(CEREBRAS)/bin/python -m pip install --quiet --requirement tests/backends/cs/requirements.txt
	$(CEREBRAS)/bin/python -m pip install --quiet --no-deps --editable .
	@touch $@

# Everything at once on a command and its files: crashes, damage, full disks. Under an hour on two
# cores; a stopped run goes on with the same command. SOAK holds fixtures and results.
SOAK ?= soak
.PHONY: soak
soak: $(READY)
	cd tests && PYTHONPATH=. OMP_NUM_THREADS=1 $(abspath $(BIN))/python -m soak $(abspath $(SOAK)) --write-docs

lint: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: $(READY)
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy --platform win32 --no-warn-unreachable --cache-dir .mypy_cache/win32

docs: $(READY)
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/backends.py

# The documentation as a site in SITE; a dead link or a page without a place is an error.
SITE ?= site
site: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir $(abspath $(SITE))

bench: $(READY)
	$(BIN)/python benchmarks/startup.py

clean:
	rm -rf $(VENV) $(VENV)-tensorflow $(VENV)-cs $(DEMO) $(SOAK) $(SITE) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
