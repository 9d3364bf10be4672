# Words to try: install serve test test-all figures timed faults fuzz sbom lint types demo bench bench-gate report openapi settings drawing docs lock vendor scripts clean
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
AGAINST ?= HEAD~1
WEB := service/lindyn_service/web
ON_ALL_CORES := --numprocesses=logical --dist=loadfile
# tests that check the shapes of all arrays, which takes more time than the arithmetic of most tests
WITH_SHAPES := tests/dynamics
# markers of tests that have targets of their own
ELSEWHERE := (figures or faults or fuzz or timed)
SOURCES := client service tests benchmarks examples notebooks docs tools

.DEFAULT_GOAL := help
.PHONY: help install serve test test-all figures timed faults fuzz sbom lint types demo bench bench-gate report openapi settings drawing docs lock vendor scripts clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(UV): locks/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lindyn needs Python 3.11 or newer, and $(PYTHON) is Python %d.%d; name a newer one, such as: make PYTHON=python3.12 install" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/uv.txt
	@touch $@

.venv/.service: $(UV) locks/service.txt locks/build.txt pyproject.toml
	$(UV) pip install --quiet --compile-bytecode --require-hashes -r locks/service.txt
	$(UV) pip install --quiet --require-hashes -r locks/build.txt
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q client service
	@touch $@

.venv/.dev: .venv/.service locks/dev.txt
	$(UV) pip install --quiet --compile-bytecode --require-hashes -r locks/dev.txt
	@touch $@

.venv/.docs: .venv/.dev locks/docs.txt
	$(UV) pip install --quiet --require-hashes -r locks/docs.txt
	@touch $@

install: .venv/.dev ## set up .venv with everything that development needs

serve: .venv/.service ## start the service on 127.0.0.1:8000 (LINDYN_PORT)
	@exec $(BIN)/python -m lindyn_service

test: .venv/.dev ## run the tests without real processes on all cores, and ask a real service once on each route; some minutes
	$(BIN)/pytest -q $(ON_ALL_CORES) -m "not live and not $(ELSEWHERE)" $(WITH_SHAPES)
	JAXTYPING_DISABLE=1 $(BIN)/pytest -q $(ON_ALL_CORES) -m "not live and not $(ELSEWHERE)" --ignore=$(WITH_SHAPES)

test-all: .venv/.dev ## run all tests but those of the targets below on all cores, with the coverage gates; about 40 minutes
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ON_ALL_CORES) -m "not $(ELSEWHERE)" $(WITH_SHAPES)
	JAXTYPING_DISABLE=1 $(BIN)/coverage run -m pytest $(ON_ALL_CORES) -m "not $(ELSEWHERE)" --ignore=$(WITH_SHAPES)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=95
	$(BIN)/coverage report --fail-under=100 --include='*/dynamics/*,*/wire/*'

figures: .venv/.dev ## run the experiments of the thesis with their published protocols, and compare with its values
	JAXTYPING_DISABLE=1 $(BIN)/pytest -q --numprocesses=logical -m figures tests/experiments

timed: .venv/.dev ## compare estimated with measured costs, and watch the event loop, by ratios of processor times; one test at a time
	JAXTYPING_DISABLE=1 $(BIN)/pytest -q -m timed tests/methods tests/live

faults: .venv/.dev ## send two thousand requests while workers, Redis and a service fail; some minutes
	$(BIN)/pytest -q -s -m faults tests/live

fuzz: .venv/.dev ## send generated requests and damaged bodies, and compare answers with 100 digits: FUZZ_EXAMPLES, FUZZ_INPUTS, RANDOM_PROBLEMS
	$(BIN)/pytest -q -s -m fuzz tests/fuzz tests/methods

sbom: .venv/.dev ## write out/sbom.json and out/licences.txt for the service's dependencies; fails if a licence is not allowed
	$(BIN)/python tools/sbom.py

lint: .venv/.dev ## check format, style and import directions
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/lint-imports

types: .venv/.dev ## check types strictly
	$(BIN)/pyright

demo: .venv/.dev ## compute trajectories of the handwritten digits: a table and a picture
	$(BIN)/python examples/digits.py

bench: .venv/.dev ## compare the closed form with ODE solvers and HTTP with bare FastAPI; memory, cold start, sweeps, client, explorer
	$(BIN)/python benchmarks/kernel.py
	$(BIN)/python benchmarks/quantities.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/ensemble.py
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/shortcuts.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/cold.py
	$(BIN)/python benchmarks/sweep.py
	$(BIN)/python benchmarks/client.py
	$(BIN)/python benchmarks/explorer.py
	$(BIN)/python benchmarks/estimates.py

bench-gate: .venv/.dev ## compare the speed of the working tree with another commit (AGAINST=commit), and say what got slower by more than 5 %
	$(BIN)/python benchmarks/gate.py --against $(AGAINST)

report: .venv/.dev ## print a few figures of speed, each within a minute
	$(BIN)/python benchmarks/kernel.py --quick
	$(BIN)/python benchmarks/serving.py --rounds 2 --requests 100
	$(BIN)/python benchmarks/estimates.py --quick

openapi: .venv/.dev ## write openapi/openapi.json from the code
	$(BIN)/python -m lindyn_service.server.export_openapi > openapi/openapi.json

settings: .venv/.dev ## write the table of docs/settings.md from the code
	$(BIN)/python tools/settings_table.py

drawing: .venv/.dev ## draw the service's rooms and their imports as docs/rooms.svg
	$(BIN)/python tools/drawing.py

docs: .venv/.docs ## build the documentation site: run the notebooks, check links; warnings are errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "Open site/index.html"

lock: $(UV) ## resolve the locked dependencies again
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' locks/uv.in -o locks/uv.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' pyproject.toml --extra service --extra dask --extra otel -o locks/service.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' locks/build.in -c locks/service.txt -o locks/build.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' pyproject.toml --extra service --extra dask --extra otel --extra notebook --group dev -c locks/service.txt -o locks/dev.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' pyproject.toml --extra service --extra dask --extra otel --extra notebook --group dev --group docs -c locks/dev.txt -o locks/docs.txt

vendor: ## fetch the explorer's libraries that vendor.json names (needs npm)
	$(PYTHON) tools/vendor.py

scripts: ## check format and types of the explorer's modules and styles (needs npm)
	npx --yes prettier@3 --print-width 120 --check '$(WEB)/js/*.js' '$(WEB)/docs.js' '$(WEB)/style/*.css'
	npx --yes --package typescript@7 tsc --project $(WEB)/jsconfig.json

clean: ## remove everything that the targets created
	rm -rf site .venv .coverage* .pytest_cache .ruff_cache .hypothesis build dist out
