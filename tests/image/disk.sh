# Sourced after lib.sh by what builds a disk image for the tests: no loop device and no mount, file systems are filled as files.
# shellcheck shell=bash

# make_unified_kernel_image OUT KERNEL INITRD CMDLINE NAME : systemd's stub with what it starts in sections; they must lie
# behind the stub's own, in order.
make_unified_kernel_image() {
    local stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub out=$1 parts=$1.parts at section path
    mkdir -p "$parts"
    printf 'ID=%s\nPRETTY_NAME="%s"\n' "$5" "${5//-/ }" >"$parts/osrel"
    printf '%s' "$4" >"$parts/cmdline"
    ln -sf "$(realpath "$2")" "$parts/linux"
    ln -sf "$(realpath "$3")" "$parts/initrd"
    at=$(objdump -h "$stub" | awk '$2 ~ /^\./ { size = $3; vma = $4 } END { print "0x" vma, "0x" size }')
    at=$((${at% *} + ${at#* }))
    local sections=()
    for section in osrel cmdline linux initrd; do
        path=$parts/$section
        at=$(((at + 0xfff) / 0x1000 * 0x1000))
        sections+=(--add-section ".$section=$path" --change-section-vma ".$section=$(printf '0x%x' $at)")
        at=$((at + $(stat -L -c %s "$path")))
    done
    objcopy "${sections[@]}" "$stub" "$out"
    rm -r "$parts"
}

# add_systemd_boot ESP UNIFIED_KERNEL_IMAGE RELEASE : starts its one entry at once, without a menu.
add_systemd_boot() {
    mmd -i "$1" ::/EFI ::/EFI/BOOT ::/EFI/Linux ::/loader
    mcopy -i "$1" /usr/lib/systemd/boot/efi/systemd-bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
    mcopy -i "$1" "$2" "::/EFI/Linux/linux-$3.efi"
    printf 'timeout 0\n' | mcopy -i "$1" - ::/loader/loader.conf
}

# make_fat FILE MIB FIRST_SECTOR
make_fat() {
    truncate -s "$2M" "$1"
    mkfs.vfat -F 32 -s 1 -h "$3" -n ESP "$1" >/dev/null
}

# make_ext4 FILE MIB LABEL UUID TREE [OPTION...]
make_ext4() {
    local file=$1 mib=$2 label=$3 uuid=$4 tree=$5
    shift 5
    truncate -s "${mib}M" "$file"
    mke2fs -q -t ext4 -m 0 -L "$label" -U "$uuid" -E "root_owner=0:0" -d "$tree" "$@" "$file"
}

# put PART DISK MIB
put() { dd if="$1" of="$2" bs=1M seek="$3" conv=notrunc,sparse status=none; }
