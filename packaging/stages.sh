# Sourced after lib.sh by packaging/test and packaging/test-all: stages with their times, and the compiler they share.
# shellcheck shell=bash disable=SC2154

# Clippy is a compiler: what it has checked is what is tested. `cargo clippy` would check all dependencies once more for
# itself, which takes six minutes of two cores. Only this package goes through it, dependencies are compiled as usual.
export RUSTC_WORKSPACE_WRAPPER=clippy-driver
export CLIPPY_ARGS=-Dwarnings

# stage NAME COMMAND...
stage() {
    local name=$1 start=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    "$@" || die "stage \"$name\" failed after $((SECONDS - start)) s" "its output is above; to run it alone: $*"
    printf '== %s: %s s\n' "$name" $((SECONDS - start))
}

# beside LOG COMMAND... : runs it while other stages go on. `await` then waits for it and prints its output.
beside() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 &
    beside_pid=$! beside_log=$log
    trap 'kill "$beside_pid" 2>/dev/null || true' EXIT
}

await() {
    local status=0
    wait "$beside_pid" || status=$?
    cat "$beside_log"
    return "$status"
}
