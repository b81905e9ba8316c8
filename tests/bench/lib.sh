# Sourced by the benches: a cable between two namespaces, servers at one end of it, and how to stop them.
# shellcheck shell=bash
#
#   ┌ $station ─────────────────┐   ┌ $client ────────────┐
#   │ servers, s0 10.77.0.1 … 9 ─┼───┼─ c0 10.77.0.100, load │
#   └───────────────────────────┘   └─────────────────────┘

# shellcheck source=../../packaging/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../packaging/lib.sh"

need_root "run benches: they make network namespaces"
station=oxb-$$-bench-s client=oxb-$$-bench-c
mkdir -p "$target"
home=$(mktemp -d "$target/bench-XXXXXX")
oxbow=$target/release/oxbow
tools=$target/bench-tools
rounds=${ROUNDS:-5}
server=''
servers=()

# shellcheck disable=SC2317  # the trap calls it
clean_up() {
    stop
    ip netns del "$station" 2>/dev/null || true
    ip netns del "$client" 2>/dev/null || true
    rm -rf "$home"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# packages PACKAGE... : installed if they are missing.
packages() { "$root/packaging/install" iproute2 util-linux "$@"; }

# unpacked PACKAGE : prints where the package's files are, which is not installed: it conflicts with another one here.
unpacked() {
    local into=$target/bench-debs/$1
    if [ ! -d "$into" ]; then
        mkdir -p "$target/bench-debs"
        dpkg-deb -x "$("$root/packaging/deb" "$1")" "$into.part"
        mv "$into.part" "$into"
    fi
    echo "$into"
}

build() { (cd "$root" && cargo build --quiet --release "$@"); }

# build_tool NAME... : programs of tests/bench/tools, into $tools/release.
build_tool() {
    cargo build --quiet --locked --release --manifest-path "$root/tests/bench/tools/Cargo.toml" --target-dir "$tools" \
        "${@/#/--bin=}"
}

# spread DIGITS ROUND... [/ ROUND...]... : `median (min–max)` of the rounds, or of their ratios (tools/src/bin/spread.rs).
spread() { "$tools/release/spread" "$@"; }

lay_cable() {
    ip netns add "$station"
    ip netns add "$client"
    ip -n "$station" link add s0 type veth peer name c0 netns "$client"
    for last in 1 2 3 4 5 6 7 8 9; do ip -n "$station" address add "10.77.0.$last/16" dev s0; done
    ip -n "$client" address add 10.77.0.100/16 dev c0
    for name in "$station" "$client"; do ip -n "$name" link set lo up; done
    ip -n "$station" link set s0 up
    ip -n "$client" link set c0 up
}

at_client() { ip netns exec "$client" "$@"; }

# start NAME COMMAND... : one more server, its words in $home/NAME.log. Its number is in $server.
start() {
    local name=$1
    shift
    # `ip` and `setpriv` become the program: the number is its own.
    ip netns exec "$station" setpriv --pdeathsig KILL "$@" >"$home/$name.log" 2>&1 &
    server=$!
    servers+=("$server")
}

# stop : all that were started.
stop() {
    local pid
    [ ${#servers[@]} -gt 0 ] || return 0
    kill "${servers[@]}" 2>/dev/null || true
    for pid in "${servers[@]}"; do
        for _ in $(seq 50); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    servers=()
}

# listens tcp|udp PORT [ADDRESS] : waits until the server does.
listens() {
    local kind=-Huln
    [ "$1" = udp ] || kind=-Htln
    for _ in $(seq 300); do
        if ip netns exec "$station" ss "$kind" "sport = :$2" | grep -q "${3:-}"; then return 0; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 5 "$home"/*.log >&2
    die "no server listens on $1 port $2"
}

# cpu [PID] : a server's processor time so far, its children's too, in milliseconds.
cpu() {
    local ticks
    ticks=$(awk '{ sub(/.*\) /, ""); print $12 + $13 + $14 + $15 }' "/proc/${1:-$server}/stat")
    echo $((ticks * 1000 / $(getconf CLK_TCK)))
}

# oxbow_here ARGUMENT... : starts the station without a screen, with fresh data.
oxbow_here() {
    rm -rf "$home/data"
    mkdir -p "$home"/{data,profiles,images,boot}
    start oxbow "$oxbow" run --headless --interface s0 --dhcp-force --data "$home/data" \
        --profiles "$home/profiles" --images "$home/images" --boot-files "$home/boot" "$@"
}

machine() {
    printf '%s, %s, %s cores, load before %s\n' "$(uname -r)" \
        "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)" "$(nproc)" "$(cut -d ' ' -f 1 /proc/loadavg)"
}
