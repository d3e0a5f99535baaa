# make train_rasvsr   install into .venv, set up, run the pipeline of one paper
# make doctor         repair what a move, another user or a killed run left
# make experiments    experiments of DVC as a table of what differs
# make test           install into .venv, run linters and all tests
# make bench         measure how fast everything is, as ratios (about an hour), into benchmarks/results.json and docs/speed.md
# make zoo            measure the exported models on imagery they never saw, and put them into satsr/zoo
# make soak           kill every stage of both doors at random moments and start it again, for an hour: tests/soak.py
# make notebooks      run docs/notebooks from their first cell to their last, some minutes, and keep what they give
# make docs           build the documentation into site/, in an environment of its own
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE :=  # the processes of stages and tests start twice as fast where compiled code is kept

.PHONY: install setup doctor experiments test unit lint bench zoo notebooks soak clean
.SECONDARY:

install: .venv/installed
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || { echo "satsr needs Python 3.11 or newer: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "the venv module is missing: apt install python3-venv"; exit 1; }
	@echo "installing the locked dependencies into .venv"
	@$(BIN)/pip install -qq --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable '.[train,dev]'
	@touch $@

setup: .venv/installed
	@satsr setup

train_%: setup
	@zenml pipeline run $@

doctor:
	@$(BIN)/python -m satsr.cli doctor --mend

experiments: .venv/installed  # without the columns of files: dvc exp show has one for each
	@dvc exp show --only-changed --drop '(?!results/\w+/headline).*/'

lint: .venv/installed
	@ruff check . && ruff format --check . && mypy && lint-imports --no-logo

unit: .venv/installed
	@pytest -m "not slow" --numprocesses 2 --dist loadfile

test: setup lint
	@pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

bench: .venv/installed
	@python -m benchmarks.speed

zoo: .venv/installed
	@python -m benchmarks.zoo

notebooks: .venv/installed
	@$(BIN)/python docs/site/notebooks.py docs/notebooks/*.ipynb

soak: .venv/installed
	@python -m tests.soak

.PHONY: docs
docs: .venv-docs/installed
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet
	@echo "the documentation is in site/index.html"
.venv-docs/installed: pyproject.toml
	@$(PYTHON) -m venv .venv-docs
	@$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' > .venv-docs/group.txt
	@.venv-docs/bin/pip install -qq --disable-pip-version-check --requirement .venv-docs/group.txt
	@touch $@

clean:
	rm -rf .venv .venv-docs site
