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

# own_mirror : the Debian mirror that this machine's own apt uses.
own_mirror() {
    local mirror
    mirror=$(listed_mirror)
    if [ -z "$mirror" ]; then
        apt-get -q update >/dev/null 2>&1 || true   # a fresh container has sources but no lists yet
        mirror=$(listed_mirror)
    fi
    [ -n "$mirror" ] || die "this machine's apt sources name no Debian mirror" \
        "other packages come from the same mirror as the machine's own: it must be Debian, with component main"
    echo "$mirror"
}

listed_mirror() {
    # shellcheck disable=SC2016  # apt fills these in
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(CREATED_BY)|$(REPO_URI)' |
        sed -n 's/^Debian|Debian|main|Packages|//p' | sort -u | head -n 1
}

# debian_keys : the keys that Debian's archive is signed with.
debian_keys() {
    local keyring
    for keyring in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
        if [ -e "$keyring" ]; then echo "$keyring"; return; fi
    done
    die "Debian's archive keys are missing" "apt-get install debian-archive-keyring"
}
