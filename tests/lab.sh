#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The lab goes away whole: after "down", called twice, after Ctrl-C in the middle of "up", and after the death of its
# owner by kill -9. And a host's libvirtd can be stopped, started and asked again.
set -eu
. "$SRC/tests/lab/testing.sh"

expect_nothing_left() {
    for _ in {1..100}; do
        [ -n "$(pgrep -f "$LAB" || true)" ] || break
        sleep 0.1
    done
    [ -z "$(pgrep -f "$LAB" || true)" ] || fail "$1: left processes: $(pgrep -fa "$LAB")"
    ! grep -q "$LAB" /proc/mounts || fail "$1: left mounts: $(grep "$LAB" /proc/mounts)"
    [ ! -e "$LAB/hosts" ] && [ ! -e "$LAB/host-a" ] || fail "$1: left files: $(ls "$LAB")"
}

lab_begin
[ "$(lab virsh host-a pool-list --name | tr -d ' \n')" = local ] || fail "host-a has no pool"
uuids=$(for host in host-a host-b; do lab virsh $host capabilities | grep -m1 '<uuid>'; done | sort -u | wc -l)
[ "$uuids" = 2 ] || fail "both hosts have one UUID"
lab stop host-a
! lab virsh host-a list >/dev/null 2>&1 || fail "host-a answers after stop"
lab virsh host-b list >/dev/null || fail "host-b went along with host-a"
lab start host-a
lab virsh host-a list >/dev/null || fail "host-a does not answer after start"
! lab up host-a 2>/dev/null || fail "a second up in the same folder was not refused"
lab down
expect_nothing_left "down"
lab down || fail "a second down is an error"
say "down leaves nothing"

bash "$SRC/tests/lab/lab.sh" up "$LAB" host-a host-b &
starter=$!
sleep 0.3
kill -INT $starter 2>/dev/null || true
kill -TERM $starter 2>/dev/null || true
wait $starter || true
expect_nothing_left "interrupted up"
say "an interrupted up leaves nothing"

(bash -c 'LAB_OWNER=$$ bash "$0" up "$1" host-a && kill -9 $$' "$SRC/tests/lab/lab.sh" "$LAB" || true) 2>/dev/null
expect_nothing_left "death of the owner"
say "the death of the owner leaves nothing"
