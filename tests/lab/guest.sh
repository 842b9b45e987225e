#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# guest.sh: builds the lab's guest, Debian's cloud kernel and a busybox initramfs, and prints the folder that holds its
# vmlinuz and initrd.img. The kernel package is fetched and unpacked into the cache, never installed, so the machine's
# own boot loader does not see it. A second call finds both in the cache and takes no time.
set -eu
here=$(dirname "$(realpath "$0")")
cache=${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/reseat/lab}

die() {
    echo "guest.sh: $*" >&2
    exit 1
}

# The newest kernel package already in the cache, or else the one that linux-image-cloud-amd64 depends on today.
fetch_kernel() {
    local deb name
    deb=$(ls -t "$cache"/linux-image-*-cloud-amd64_*.deb 2>/dev/null | head -1)
    if [ -z "$deb" ]; then
        name=$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" && $2 ~ /^linux-image-.*-cloud-amd64$/ { print $2; exit }')
        [ -n "$name" ] || die "apt knows no linux-image-cloud-amd64: run apt-get update, with Debian's main section in sources.list"
        (cd "$cache" && apt-get -q -o APT::Sandbox::User=root download "$name") >&2 ||
            die "cannot download $name: check the network and apt's sources, or put the .deb into $cache"
        deb=$(ls -t "$cache"/linux-image-*-cloud-amd64_*.deb | head -1)
    fi
    echo "$deb"
}

# The files of module $3 and of all that it needs, what is needed first, by $1/lib/modules/$2/modules.dep.
module_files() {
    awk -F: -v name="$3" '
        { split($1, path, "/"); base = path[length(path)]; sub(/\.ko.*/, "", base); gsub(/-/, "_", base); file[base] = $1; needs[$1] = $2 }
        END {
            if (!(name in file)) exit
            n = split(needs[file[name]], list, " ")
            for (i = n; i > 0; i--) print list[i]
            print file[name]
        }' "$1/lib/modules/$2/modules.dep"
}

build_initrd() { # build_initrd KERNEL_ROOT VERSION OUT
    local w=$work/initrd n=0 module file
    mkdir -p "$w"/{bin,sbin,proc,sys,dev,run,etc,t,tmp,modules}
    cp "$busybox" "$w/bin/busybox"
    for applet in $("$busybox" --list); do
        [ -e "$w/bin/$applet" ] || ln -s busybox "$w/bin/$applet"
    done
    for module in virtio_pci virtio_blk button evdev; do
        for file in $(module_files "$1" "$2" "$module"); do
            compgen -G "$w/modules/*-${file##*/}" >/dev/null && continue
            n=$((n + 1))
            cp "$1/lib/modules/$2/$file" "$w/modules/$(printf %02d $n)-${file##*/}"
        done
    done
    [ "$n" -gt 0 ] || die "no modules found for kernel $2"
    cp "$here/guest-init" "$w/init"
    chmod 755 "$w/init"
    (cd "$w" && find . | LC_ALL=C sort | "$busybox" cpio -o -H newc 2>/dev/null | gzip -1n) >"$3"
}

busybox=$(command -v busybox) || die "busybox is missing: apt-get install busybox-static"
case $(head -c 4096 "$busybox" | tr -d '\0') in *ld-linux*) die "$busybox is not static: apt-get install busybox-static" ;; esac
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
deb=$(fetch_kernel)
guest=$cache/guest-$(cat "$deb" "$here/guest-init" "$here/guest.sh" "$busybox" | sha256sum | cut -c1-16)
if [ ! -e "$guest/initrd.img" ]; then
    work=$(mktemp -d "$cache/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    dpkg-deb -x "$deb" "$work/kernel"
    version=$(basename "$work"/kernel/lib/modules/*)
    "$busybox" depmod -b "$work/kernel" "$version" || die "depmod failed for $version"
    mkdir -p "$work/guest"
    cp "$work"/kernel/boot/vmlinuz-* "$work/guest/vmlinuz"
    build_initrd "$work/kernel" "$version" "$work/guest/initrd.img"
    chmod 755 "$work/guest"
    find "$cache" -maxdepth 1 -name 'guest-*' -mtime +7 -exec rm -rf {} +
    mv "$work/guest" "$guest"
fi
echo "$guest"
