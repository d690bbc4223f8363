PYTHON ?= python

help:  ## show this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

view:  ## the package as installed, for type checkers (build/view)
	@rm -rf build/view && mkdir -p build/view && cp -rs $(CURDIR)/dsl build/view/gemel
	@for part in codegen hwsynth parser semantics stdlib examples; do ln -sfn $(CURDIR)/$$part build/view/gemel/$$part; done

lint:  ## ruff
	$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check .

type: view  ## mypy, strict
	$(PYTHON) -m mypy

fast:  ## the tests that answer in a minute
	$(PYTHON) -m pytest -n 2 -m "not slow"

test:  ## all tests
	$(PYTHON) -m pytest -n 2

pictures:  ## the README's pictures, from real runs
	$(PYTHON) docs/make_pictures.py

.PHONY: help view lint type fast test pictures
