#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# kill -9 of the migrating process at each step of a move, during the copy and at the commit, and then a new start with
# the same journal: exactly one host runs the VM, it boots, its files and the other half of its disk are as they were,
# and nothing is left where it does not live. Last, a destination that hangs in the middle of the copy.
set -eu
. "$SRC/tests/lab/testing.sh"
lab_begin
lab vm host-a web-1 raw 32
sum=$(lab checksum host-a web-1)
where=host-a boot=1
expect_boot web-1 $where 1 new

# Right after a death the VM may run, stand still, or be off, but never run twice.
expect_not_twice() {
    [ "$(running_on web-1 | wc -l)" -le 1 ] || fail "web-1 runs on both hosts"
}

# A move away from $where that does not live to its end.
die_at() {
    local rc=0
    (
        RS_FAULT=$1 "$DRIVER" "$JOURNAL" "${HOSTS[@]}" -- move web-1 "$(other $where)" retire=0 >"$LAB/killed.log" 2>&1
        exit $?
    ) 2>/dev/null || rc=$?
    [ $rc = 137 ] || fail "$1: the driver was not killed: exit $rc: $(cat "$LAB/killed.log")"
    expect_not_twice
}

# One death at FAULT during a move away from $where, one recovery, which must end as WANTED.
die_and_recover() { # FAULT moved|stayed
    local fault=$1 wanted=$2 from=$where
    die_at $fault:kill
    [ $wanted = moved ] && drive 0 recover retire=0 || drive 3 recover retire=0
    case $OUT in *" $wanted"*) ;; *) fail "$fault: '$OUT', wanted $wanted" ;; esac
    [ $wanted = stayed ] || where=$(other $from)
    expect_on web-1 $where
    [ -z "$(state "$(other $where)" web-1)" ] || fail "$fault: still defined on $(other $where)"
    [ -z "$(ls "$LAB/$(other $where)/lib/images")" ] || fail "$fault: files left on $(other $where)"
    [ "$(ls "$LAB/$where/lib/images" | wc -l)" = 1 ] || fail "$fault: more than its disk on $where"
    [ "$(lab checksum $where web-1)" = "$sum" ] || fail "$fault: the disk changed"
}

expect_next_boot() {
    boot=$((boot + 1))
    expect_boot web-1 $where $boot intact
}

# Before the guest was asked to reboot it just goes on.
for fault in migrate.check.before migrate.reserve.before migrate.reboot.before; do
    die_and_recover $fault stayed
    say "$fault: stayed, and did not even reboot"
done
# Suspended: resumed into the reboot that it had asked for, where it is.
for fault in migrate.reboot.after copy.data:2 migrate.commit.before; do
    die_and_recover $fault stayed
    say "$fault: stayed"
    expect_next_boot
done
# Committed: it goes on to the other host.
for fault in migrate.commit.after migrate.disarm.after migrate.stop.after migrate.start.before migrate.start.after \
    migrate.confirm.after; do
    die_and_recover $fault moved
    say "$fault: moved"
    expect_next_boot
done

# On the way back from a failed start.
die_at migrate.start.before,migrate.back.before:kill
drive 3 recover
expect_on web-1 $where
[ -z "$(state "$(other $where)" web-1)$(moved_volumes "$(other $where)")" ] || fail "left on $(other $where)"
expect_next_boot
say "killed on the way back: stayed"

# A destination that hangs in the middle of the copy: the VM goes on where it is, and soon.
RS_FAULT=copy.data:delay=300 drive 3 move web-1 "$(other $where)" stall=1 &
mover=$!
until [ "$(state $where web-1)" = paused ]; do sleep 0.05; done
sleep 0.3
lab freeze "$(other $where)"
frozen=$SECONDS
until [ "$(state $where web-1)" = running ]; do
    [ $((SECONDS - frozen)) -lt 15 ] || fail "web-1 is not resumed while $(other $where) hangs"
    sleep 0.1
done
say "resumed $((SECONDS - frozen)) s after the destination hung"
lab thaw "$(other $where)"
wait $mover || exit 1
expect_on web-1 $where
expect_next_boot
[ "$(lab checksum $where web-1)" = "$sum" ] || fail "the disk changed"
say "done"
