# Two commands set everything up on a machine with Python 3.11: `make run` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test test-all bench-browser gpu gate-figures generation-figures planted replay follow-ups train-smoke mutants mutants-http shared-files chaos bench million million-real ten-million bench-storage lint types samples lock clean

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-10s %s\n", $$1, $$2}'

$(BIN)/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing: install it, or name it with make PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(BIN)/.installed-dev: $(BIN)/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	touch $@

run: $(BIN)/.installed  ## set up, ingest the samples, start API, worker and UI
	$(BIN)/footnote models
	$(BIN)/footnote ingest samples/files
	$(BIN)/footnote up

test: $(BIN)/.installed-dev  ## lint, types and the whole default suite with the browser test
	@$(BIN)/python -m tests.browser.require_chromium
	$(MAKE) --no-print-directory lint types
	$(BIN)/python -m pytest -m "not slow and not gpu and not bench" --cov

test-all: $(BIN)/.installed-dev  ## everything but GPU tests and benchmarks, slow ones included
	@$(BIN)/python -m tests.browser.require_chromium
	$(BIN)/python -m pytest -m "not gpu and not bench"

planted: $(BIN)/.installed-dev  ## planted instructions on the real weights: none may be obeyed
	$(BIN)/python -m pytest tests/questions/test_planted_real.py -s --no-cov

replay: $(BIN)/.installed-dev  ## answers of the real weights written again: token for token the same
	$(BIN)/python -m pytest tests/questions/test_replay_real.py -s --no-cov

follow-ups: $(BIN)/.installed-dev  ## how often the real weights rewrite a follow-up rightly
	$(BIN)/python -m pytest tests/questions/test_follow_ups_real.py -s --no-cov

# The questions are of documents that no weights, no checkpoint and no bias were chosen on.
gate-figures: $(BIN)/.installed-dev  ## false answers and false refusals, level chosen on one half; DATA=folder, QUESTIONS=300
	mkdir -p .footnote
	$(BIN)/python -m model.train.answers.records --data $(or $(DATA),../shared/data/train) --split test --distinct \
		--questions $(or $(QUESTIONS),300) --unanswerable 0.5 --sets qa_qed_nq qa_fairytaleqa --seed 17 \
		--out .footnote/gate-questions.jsonl
	$(BIN)/footnote gate figures .footnote/gate-questions.jsonl --json

# As above: of the test split, which chose nothing of the weights or of the filter.
generation-figures: $(BIN)/.installed-dev  ## how good the filter of generated questions is; DATA=folder, PASSAGES=60
	mkdir -p .footnote
	$(BIN)/python -m model.train.answers.passages --data $(or $(DATA),../shared/data/train) --split $(or $(SPLIT),test) \
		--out .footnote/generation-passages.jsonl
	$(BIN)/footnote eval generation .footnote/generation-passages.jsonl --passages $(or $(PASSAGES),60) --show --json

train-smoke: $(BIN)/.installed-dev  ## each training recipe end to end on a tiny subset; also part of `make test`
	$(BIN)/python -m pytest tests/model/test_train.py tests/model/test_train_answerer_runs.py tests/model/test_verifier_train.py

mutants: $(BIN)/.installed-dev  ## 2,000 broken copies of the shared files through the sandboxed parse
	nice -n 10 $(BIN)/python -m pytest tests/ingest/test_mutated_files.py -m slow -s --no-cov

mutants-http: $(BIN)/.installed-dev  ## the same copies over HTTP to an API and two worker processes: none crashes
	nice -n 10 $(BIN)/python -m pytest tests/app/test_mutants_http.py -m slow -s --no-cov

shared-files: $(BIN)/.installed-dev  ## every shared file over HTTP to an API and a worker process: ready, or says why
	nice -n 10 $(BIN)/python -m pytest tests/app/test_shared_files_http.py -m slow -s --no-cov

chaos: $(BIN)/.installed-dev  ## kill API, workers and parsers 200 times while documents come in: minutes
	$(BIN)/python -m pytest tests/app/test_jobs_chaos.py -m slow -s

# llama.cpp is built here for this processor; where no compiler is at hand the others are measured without it. Without
# its tiles (AMX): release 0.3.36 uses them in threads that never set them up, which ends the process.
NO_TILES := -DCMAKE_C_FLAGS='-mno-amx-tile -mno-amx-int8 -mno-amx-bf16' -DCMAKE_CXX_FLAGS='-mno-amx-tile -mno-amx-int8 -mno-amx-bf16'
$(BIN)/.installed-bench: $(BIN)/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock onnx onnxruntime
	CMAKE_ARGS="-DGGML_NATIVE=ON $(NO_TILES)" $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-r requirements-dev.lock llama-cpp-python || echo "llama.cpp could not be built; it is left out."
	touch $@

bench: $(BIN)/.installed-bench  ## measure speed and memory beside other libraries; QUICK=1 for a look
	@for name in encoder reranker prefill decode answer search ingest many asking memory; do \
		$(BIN)/footnote bench $$name --json $(if $(QUICK),--quick) || exit 1; \
	done

million: $(BIN)/.installed-bench  ## dense and lexical search up to a million passages, against flat; 10 minutes and 6 GB
	$(BIN)/footnote bench search --json $(if $(QUICK),--quick)

million-real: $(BIN)/.installed-bench  ## the dense index over the sentences of TEXTS=../shared/data, embedded first: an hour or so
	$(BIN)/python -m tests.bench.sentences $(or $(TEXTS),../shared/data) --vectors .footnote/sentences.npz

ten-million: $(BIN)/.installed-dev  ## the dense index at ten million passages: an hour and a half, 16 GB of disk; COUNT=3000000 for less
	$(BIN)/python -m tests.bench.beyond_memory --count $(or $(COUNT),10000000)

bench-browser: $(BIN)/.installed-dev  ## time from sending a question to sources and first word on the screen
	$(BIN)/python -m tests.browser.measure_chat

bench-storage: $(BIN)/.installed-dev  ## delete 1 of 10,000 documents and a collection of 10,000; DOCUMENTS=1000 for a look
	BENCH_DOCUMENTS=$(or $(DOCUMENTS),10000) $(BIN)/python -m pytest tests/app/test_storage_scale.py -m bench -s -q --no-cov

# GGUF=file: the answers' weights; PYTHON=...: an interpreter that has what the script names, instead of ours.
gpu:  ## on a machine with a CUDA device: the tests that need it, and ours beside torch and transformers; GGUF=file
	PYTHON=$(if $(filter command% environment%,$(origin PYTHON)),$(PYTHON),$(BIN)/python) sh tools/gpu.sh $(if $(GGUF),--gguf $(GGUF))

lint: $(BIN)/.installed-dev  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.installed-dev  ## strict types
	$(BIN)/mypy

samples: $(BIN)/.installed-dev  ## write the sample documents again
	$(BIN)/python -m samples.make_samples

lock:  ## resolve the lock files anew
	$(PYTHON) tools/lock.py

clean:  ## remove the environment and caches, not your data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
