#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Moves real VMs between two real libvirt hosts: with their disks, back again, several at once, without the temp disk;
# and every reason to stay before the commit. The disks' bytes are compared on the host while the VM stands still, the
# guest checks its own files at each boot, and the half of the disk that it never writes is summed before and after.
set -eu
. "$SRC/tests/lab/testing.sh"
lab_begin
say "hosts up"

LAB_DATA_MIB=16 lab vm host-a web-1 raw 32
lab vm host-a web-2 qcow2 32
LAB_GUEST=lab.acpi=ignore lab vm host-a deaf raw 16
lab virsh host-a autostart web-1 >/dev/null
sum_1=$(lab checksum host-a web-1) data_1=$(lab checksum host-a web-1 vdc) sum_2=$(lab checksum host-a web-2)
expect_boot web-1 host-a 1 new
expect_boot web-2 host-a 1 new

# Stays: each reason ends with the VM left alone, or rebooted, where it is, and nothing left at the destination.
lab enter host-b mount -t tmpfs -o size=2m full /var/lib/libvirt/images
drive 3 move web-2 host-b
case $OUT in *"the pool of host-b has"*) ;; *) fail "full pool: $OUT" ;; esac
lab enter host-b umount /var/lib/libvirt/images
drive 3 move web-2 host-b cancel=reserve
case $OUT in *"cancelled on request"*) ;; *) fail "cancel: $OUT" ;; esac
say "stayed before a full pool, and on request"
# One byte changed at the destination between the copy and its check.
LOG=$LAB/damaged.log RESEAT_LOG=debug RS_FAULT=migrate.verify.before:delay=3000 drive 3 move web-1 host-b &
mover=$!
until grep -qs 'step=verify' "$LAB/damaged.log"; do sleep 0.05; done
printf X | dd of="$(ls "$LAB"/host-b/lib/images/web-1-temp.m-*.raw)" bs=1 seek=20000000 conv=notrunc status=none
drive 3 move web-2 host-b deadline=0.01
case $OUT in *"longest blackout"*) ;; *) fail "deadline: $OUT" ;; esac
wait $mover || exit 1
grep -q 'disk vdb: read back at host-b' "$LAB/damaged.log" || fail "damaged copy: $(cat "$LAB/damaged.log")"
[ -z "$(moved_volumes host-b)" ] || fail "left at host-b: $(moved_volumes host-b)"
expect_on web-1 host-a
expect_on web-2 host-a
expect_boot web-1 host-a 2 intact
expect_boot web-2 host-a 2 intact
say "stayed after a damaged copy, and at the deadline"

# Both at once. The move waits before the start at the destination, where the disks must be equal byte by byte.
RS_FAULT=migrate.define.before:delay=4000 drive 0 move web-1,web-2 host-b &
mover=$!
until [ "$(state host-a web-1)$(state host-a web-2)" = "shut offshut off" ]; do sleep 0.1; done
for disk in web-1-temp.raw web-1-data.raw web-2-temp.qcow2; do
    cmp "$LAB/host-a/lib/images/$disk" "$LAB/host-b/lib/images/${disk%.*}".m-*."${disk##*.}" || fail "$disk differs"
done
wait $mover || exit 1
expect_on web-1 host-b
expect_on web-2 host-b
expect_boot web-1 host-b 3 intact
expect_boot web-2 host-b 3 intact
[ "$(lab checksum host-b web-1)" = "$sum_1" ] || fail "web-1's temp disk changed"
[ "$(lab checksum host-b web-1 vdc)" = "$data_1" ] || fail "web-1's data disk changed"
[ "$(lab checksum host-b web-2)" = "$sum_2" ] || fail "web-2's temp disk changed"
lab virsh host-b dominfo web-1 | grep -q 'Autostart: *enable' || fail "web-1 lost its autostart"
lab virsh host-a dominfo web-1 | grep -q 'Autostart: *disable' || fail "web-1 would start on host-a again"
lab virsh host-a dumpxml web-1 | grep -q 'role="moved"' || fail "web-1 is not fenced on host-a"
say "moved two at once"

# Back, over what the first move left there, whose grace time is not over; this time nothing is kept at the source.
drive 0 move web-1 host-a retire=0
expect_on web-1 host-a
expect_boot web-1 host-a 4 intact
[ "$(lab checksum host-a web-1)" = "$sum_1" ] || fail "web-1's temp disk changed on the way back"
[ -z "$(state host-b web-1)" ] || fail "web-1 is still defined on host-b"
[ -z "$(moved_volumes host-b | grep web-1)" ] || fail "web-1's disks are still on host-b"
say "moved back and retired"

# The destination cannot start it: back to the source, where it boots with its files.
RS_FAULT=migrate.start.before drive 3 move web-1 host-b
expect_on web-1 host-a
[ -z "$(state host-b web-1)$(moved_volumes host-b | grep web-1)" ] || fail "something of web-1 is left on host-b"
expect_boot web-1 host-a 5 intact
say "went back after a failed start"

# Its class permits it: without the temp disk, which is empty at the destination.
: >"$LAB/host-a/log/web-2.console" # its first boot was there
drive 0 move web-2 host-a temp=no retire=0
expect_on web-2 host-a
expect_boot web-2 host-a 1 new
[ -z "$(moved_volumes host-b)" ] || fail "left at host-b: $(moved_volumes host-b)"
lab virsh host-a destroy web-2 >/dev/null
say "moved without the temp disk"

# A guest that does not listen stays as it is; and a power-off stays a power-off.
expect_boot deaf host-a 1 new
drive 3 move deaf host-b reboot=1
case $OUT in *"did not reset within 1 s"*) ;; *) fail "deaf: $OUT" ;; esac
expect_on deaf host-a
drive 3 move deaf host-b &
mover=$!
sleep 1.5
lab virsh host-a shutdown deaf >/dev/null # takes back libvirt's promise to turn the power-off into a reset
console=$(lab virsh host-a ttyconsole deaf)
(sleep 1.5 && echo poweroff && sleep 1) >"$console" # QEMU looks once a second whether anybody holds its pty
wait $mover || exit 1
[ "$(state host-a deaf)" = "shut off" ] || fail "deaf is $(state host-a deaf)"
[ -z "$(state host-b deaf)$(moved_volumes host-b)" ] || fail "something of deaf is on host-b"
say "a power-off stayed a power-off"

# What cannot move is refused before anything happens.
drive 1 move no-such-vm host-b
grep -q "no host has a VM no-such-vm" "$LOG" || fail "unknown VM: $(cat "$LOG")"
drive 1 move deaf host-b
grep -q "VM deaf is not running on host-a" "$LOG" || fail "VM that is off: $(cat "$LOG")"

# Nothing of the lab outlives it.
lab down
[ -z "$(pgrep -f "$LAB" || true)" ] || fail "left: $(pgrep -fa "$LAB")"
! grep -q "$LAB" /proc/mounts || fail "left a mount: $(grep "$LAB" /proc/mounts)"
[ ! -e "$LAB/host-a" ] || fail "left files"
say "done"
