#!/bin/sh
# The tests marked `gpu`, then the table of `tests.bench.gpu`; arguments go to the table, logs to $FOOTNOTE_GPU_LOGS.
# In $SECONDS_AT_MOST: every part has a limit, so that none costs the others their turn. The engine comes first and
# the wide grid of kernels last, for that is the order in which they are wanted.
# Needs torch, triton, numpy, safetensors, tokenizers, gguf, pytest with pytest-timeout; transformers as the peer.
set -u
cd "$(dirname "$0")/.."
logs=${FOOTNOTE_GPU_LOGS:-.footnote/gpu}
python=${PYTHON:-python3}
end=$(($(date +%s) + ${SECONDS_AT_MOST:-210}))
mkdir -p "$logs"
export PYTHONUNBUFFERED=1
failed=0

# The suite's fixtures need the whole application, and its strict options plugins that may not be there.
tests() {
    limit=$1 log=$2
    shift 2
    timeout "$limit" "$python" -m pytest --noconftest -p no:cacheprovider -o addopts= -o filterwarnings=default \
        -m gpu --timeout=60 --durations=5 tests/model/test_triton_gpu.py "$@" >"$logs/$log" 2>&1 || failed=1
    tail -n 25 "$logs/$log"
}

tests 50 engine.log -v -k "decoder or replayed or auto"
timeout 130 "$python" -m tests.bench.gpu --seconds 100 "$@" >"$logs/table.log" 2>"$logs/table.err" || failed=1
cat "$logs/table.log"
tail -n 5 "$logs/table.err"
workers=
"$python" -c "import xdist" 2>/dev/null && workers="-n 12"  # compiling takes longer than computing
left=$((end - $(date +%s)))
[ "$left" -lt 15 ] && echo "no time is left for the grid of kernels" && exit 1
tests "$left" kernels.log -q -k "not (decoder or replayed or auto)" $workers
exit $failed
