# Sourced after lib.sh by what builds an initramfs: the boot files, and the OS image of the tests.
# shellcheck shell=bash disable=SC2154

# The name of the kernel that linux-image-amd64 stands for; a kernel that is kept already needs no package lists.
kernel_package() {
    local kept meta name
    mkdir -p "$target/debs/own"
    kept=$(find "$target/debs/own" -name 'linux-image-[0-9]*-amd64_*.deb' | sort -V | tail -n 1)
    if [ -n "$kept" ]; then basename "${kept%%_*}"; return; fi
    meta=$("$root/packaging/deb" linux-image-amd64)
    name=$(dpkg-deb -f "$meta" Depends | grep -o 'linux-image-[0-9][^ ,]*-amd64' | head -n 1)
    [ -n "$name" ] || die "linux-image-amd64 names no kernel" "is this machine's Debian for amd64?"
    echo "$name"
}

# add_busybox BUSYBOX_TREE INTO : busybox under all of its names, and the directories a small system needs.
add_busybox() {
    local applet
    mkdir -p "$2"/{bin,dev,etc,proc,run,sys,tmp}
    cp "$1/bin/busybox" "$2/bin/"
    for applet in $("$1/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$2/bin/$applet"
    done
    # The kernel itself calls /sbin/modprobe, for drivers that drivers ask for.
    ln -s bin "$2/sbin"
}

# add_modules LINUX_TREE RELEASE LIST INTO : the modules that LIST names, what they need, and modprobe's indexes.
add_modules() {
    local linux=$1 release=$2 list=$3 into=$4
    local lib=$into/lib/modules/$release from to
    mkdir -p "$lib"
    depmod -b "$linux" "$release"
    modules_with_dependencies "$linux" "$release" "$list" >"$into.modules"
    while read -r from; do
        to=$lib/kernel/${from#*/kernel/}
        mkdir -p "$(dirname "$to")"
        # Unpacked, so that the whole initramfs is compressed once; the signature at a module's end stays.
        case $from in
        *.xz) xz -dc "$from" >"${to%.xz}" ;;
        *.zst) zstd -qdc "$from" >"${to%.zst}" ;;
        *) cp "$from" "$to" ;;
        esac
    done <"$into.modules"
    rm "$into.modules"
    cp "$linux/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$lib/"
    depmod -b "$into" "$release"
    # busybox's modprobe reads these; the rest is for other tools.
    find "$lib" -maxdepth 1 -name 'modules.*' ! -name modules.dep ! -name modules.alias ! -name modules.builtin \
        ! -name modules.symbols -delete
}

# add_programs TREE INTO PROGRAM... : programs below usr/sbin or usr/bin of TREE, with the loader and the libraries that TREE's
# own loader finds for them there. One that lies elsewhere would be this machine's: that ends the build.
add_programs() {
    local tree=$1 into=$2 libs=usr/lib/x86_64-linux-gnu program at listed library
    local loader=$tree/$libs/ld-linux-x86-64.so.2
    shift 2
    mkdir -p "$into/usr/sbin" "$into/$libs" "$into/lib64"
    install -m 755 "$loader" "$into/lib64/"
    for program in "$@"; do
        at=$tree/usr/sbin/$program
        [ -e "$at" ] || at=$tree/usr/bin/$program
        install -m 755 "$at" "$into/usr/sbin/$program"
        listed=$("$loader" --inhibit-cache --library-path "$tree/$libs" --list "$at") ||
            die "$program lacks a library: $(grep 'not found' <<<"$listed" | head -n 1)" "a Debian package has changed: name the new one in ${0##*/}"
        for library in $(awk '$2 == "=>" && $1 !~ /ld-linux/ { print $3 }' <<<"$listed"); do
            case $library in
            "$tree/$libs"/*) [ -e "$into/$libs/${library##*/}" ] || install -m 644 "$library" "$into/$libs/" ;;
            *) die "$program takes $library, which is this machine's own" "name the package it is in in ${0##*/}" ;;
            esac
        done
    done
}

modules_with_dependencies() {
    local line name
    sed 's/#.*//' "$3" | while read -r line; do
        [ -n "$line" ] || continue
        name=${line%\?}
        modprobe -S "$2" -d "$1" --show-depends "$name" 2>/dev/null || [ "$line" != "$name" ] ||
            die "Linux $2 has no module $name" "mark it with ? in $3 if it is not needed any more"
    done | awk '$1 == "insmod" { print $2 }' | sort -u
}

# The same files give the same bytes: names in order, no times, no owners.
pack() {
    find "$1" -exec touch -h -d @0 {} +
    (cd "$1" && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort |
        cpio --quiet --reproducible -o -H newc -R 0:0) | zstd -q "-$2" -T0
}
