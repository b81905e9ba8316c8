# Sourced by every script here: where things are, and how to say no.
# shellcheck shell=bash

# A failing command inside $(...) ends the script too.
shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
export root target

say() { printf '%s\n' "${0##*/}: $*" >&2; }

# die WHAT [HINT]
die() {
    printf '%s\n' "${0##*/}: $1" >&2
    [ $# -lt 2 ] || printf '%s\n' "hint: $2" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || die "only root may $1" "run it as root, for example: sudo make ${MAKECMDGOALS:-run}"
}
