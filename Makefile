PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
PARTS := codegen examples hwsynth parser semantics stdlib

help:  ## show this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

view:  ## link the package as it is installed, for type checkers (build/view)
	@rm -rf build/view && mkdir -p build/view/gemel
	@ln -s $(addprefix $(CURDIR)/,$(filter-out dsl/__pycache__,$(wildcard dsl/*)) $(PARTS)) build/view/gemel/

lint:  ## ruff: rules and format
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

format:  ## let ruff rewrite the format
	$(PYTHON) -m ruff format .

type: view  ## mypy, strict
	$(PYTHON) -m mypy

fast:  ## the tests that answer in a minute
	$(PYTHON) -m pytest -n 2 --dist worksteal -m "not slow"

test:  ## all tests
	$(PYTHON) -m pytest -n 2 --dist worksteal

ci:  ## what continuous integration runs: lint, types and all tests, from a plain install
	.ci/run

demo:  ## the digits demo: CPU and simulated RTL
	$(PYTHON) -c "from gemel.cli import main; main()" demo

pages:  ## write the documentation's generated pages anew
	$(PYTHON) docs/make_pages.py

docs:  ## the documentation as a site (build/site)
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet

pictures:  ## the README's pictures, from real runs
	$(PYTHON) docs/make_pictures.py

clean:  ## remove what building and testing leave behind
	rm -rf build dist out .hypothesis *.egg-info
	find . \( -name .git -o -name .venv \) -prune -o \( -name __pycache__ -o -name '.*_cache' \) -type d -prune -exec rm -rf {} +

.PHONY: help view lint format type fast test ci demo pages docs pictures clean
