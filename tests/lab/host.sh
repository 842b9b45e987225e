#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# host.sh ROOT NAME: process 1 of one lab host, inside its own mount, network, UTS and PID namespaces. It puts ROOT's
# folders in place of the machine's, starts libvirtd, and then reaps orphans until it is killed; the namespaces, the
# daemon and every guest die with it. Called by lab.sh, which writes ROOT/etc beforehand.
set -eu
root=$1 name=$2

mount --make-rprivate /
mkdir -p /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt
mount --bind "$root/run" /run
mount --bind "$root/lib" /var/lib/libvirt
mount --bind "$root/cache" /var/cache/libvirt
mount --bind "$root/log" /var/log/libvirt
mount --bind "$root/etc" /etc/libvirt

# As root libvirt's QEMU driver wants this user to exist, even where qemu.conf names another.
for file in passwd group; do
    grep -v '^libvirt-qemu:' "/etc/$file" >"$root/$file"
done
echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >>"$root/passwd"
echo 'libvirt-qemu:x:64055:' >>"$root/group"
mount --bind "$root/passwd" /etc/passwd
mount --bind "$root/group" /etc/group

hostname "$name"
ip link set lo up
mkdir -p /run/libvirt /run/lock
while :; do
    if [ ! -e /run/hold ]; then
        libvirtd -d -p /run/libvirtd.pid || exit 1
        # libvirtd detached itself; look after it, so that "stop" and "start" of lab.sh work by signals and a file.
        while kill -0 "$(cat /run/libvirtd.pid)" 2>/dev/null; do
            sleep 0.2 &
            wait $!
        done
    fi
    [ -e /run/hold ] || exit 1
    sleep 0.05 &
    wait $!
done
