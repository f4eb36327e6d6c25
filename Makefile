# Commands of the project; `make` alone lists them.
#   make install PYTHON=python3.12    use another Python (3.11 or newer)
#   make demo-r2r DATA=dir            use Room-to-Room from there
#   make test ARGS="-k graph -x"      pass arguments to pytest

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO := runs/demo
# How other processors round: torch's kernels, the code numba compiles, and the number of threads. Commas separate variables.
ONE := OMP_NUM_THREADS=1,NUMBA_NUM_THREADS=1
MATRIX := ATEN_CPU_CAPABILITY=default,$(ONE) ATEN_CPU_CAPABILITY=avx2,OMP_NUM_THREADS=2 \
	ATEN_CPU_CAPABILITY=avx2,NUMBA_CPU_NAME=x86-64-v3,$(ONE) ATEN_CPU_CAPABILITY=default,NUMBA_CPU_NAME=generic,OMP_NUM_THREADS=2
# A process a core; the tests of a file stay together, since they share what is slow to make.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile
DATA_FLAG := $(if $(DATA),--data "$(DATA)")

# A run that goes on where an interrupted one stopped: $(call train,PRESET,FOLDER,FLAGS)
train = $(BIN)/python scripts/train.py $(1) --out $(2) $(3) $(if $(wildcard $(2)/latest.safetensors),--resume)

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo demo-r2r test test-matrix lint docs format clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## make .venv with the tested versions and the package itself

install-dev: $(VENV)/.installed-dev ## the same and the tools of test and lint

demo: install ## generate houses, train, compare with blind and deaf agents, draw what they did
	@$(BIN)/python scripts/demo.py

demo-r2r: install ## train a small agent on Room-to-Room, evaluate it, draw what it did
	@$(call train,r2r-demo,$(DEMO)/r2r,$(DATA_FLAG))
	$(BIN)/python scripts/evaluate.py $(DEMO)/r2r --split val_unseen $(DATA_FLAG)
	$(BIN)/python scripts/replay.py $(DEMO)/r2r/eval/val_unseen.jsonl --random 4 --out $(DEMO)/replay-r2r --format png gif $(DATA_FLAG)

test: install-dev ## run the tests (slow ones: ARGS="-m slow")
	$(if $(DATA),VLN_DATA="$(DATA)") $(PYTEST) $(ARGS)

test-matrix: install-dev ## run the tests as other processors and thread counts would round; all settings, then the verdict
	@failed=; \
	for settings in $(MATRIX); do \
		settings=$$(echo $$settings | tr , ' '); \
		echo "== $$settings"; \
		env $$settings $(PYTEST) -q $(ARGS) || failed="$$failed\n  $$settings"; \
	done; \
	if [ -n "$$failed" ]; then printf "red with:$$failed\n"; exit 1; fi; \
	echo "green with every setting"

lint: install-dev ## check style, spelling, types and import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell

docs: install-dev ## build the documentation site into build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

format: install-dev ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove build leftovers and tool caches; runs/, cache/ and .venv/ stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -type d -prune -exec rm -rf {} +

# Stamps, so that a second call does nothing.
$(VENV)/.installed: requirements.txt pyproject.toml | $(BIN)/python
	$(PIP) install -r requirements.txt
	$(PIP) install --no-deps -e .
	@echo "compiling the simulator, once (two to four minutes)"
	@$(BIN)/python -m envs.warm
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(PIP) install -r requirements-dev.txt
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vln needs Python 3.11 or newer, this is %d.%d; use make PYTHON=python3.x" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
