# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by the tests that move VMs in the lab: two hosts that go away with the test, the driver of the migrator, and
# what must hold of a VM after each move. $LAB is the lab's folder, $BIN the built programs.
lab() { bash "$SRC/tests/lab/lab.sh" "$1" "$LAB" "${@:2}"; }

skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    echo "FAIL: $*" >&2
    for host in host-a host-b; do
        echo "--- $host" >&2
        lab virsh $host list --all >&2 || true
        tail -5 "$LAB/$host/log/"*.console >&2 2>/dev/null || true
    done
    exit 1
}

lab_begin() {
    [ "$(id -u)" = 0 ] || skip "namespaces need root"
    local tool
    for tool in libvirtd virsh qemu-system-x86_64 qemu-img busybox; do
        command -v $tool >/dev/null || skip "$tool is not installed"
    done
    unshare --mount --pid --fork true 2>/dev/null || skip "no namespaces here"
    bash "$SRC/tests/lab/guest.sh" >/dev/null || skip "the guest's kernel cannot be fetched"
    DRIVER=$BIN/../tests/test_migrate_lab
    LAB=$(mktemp -d /tmp/reseat-lab.XXXXXX)
    trap 'lab down; rm -rf "$LAB"' EXIT
    trap 'exit 1' INT TERM
    LAB_OWNER=$$ lab up host-a host-b
    HOSTS=("host-a=$(lab uri host-a)" "host-b=$(lab uri host-b)")
    JOURNAL=$LAB/journal.db
    LOG=$LAB/driver.log
    START=$SECONDS
}

say() { echo "$((SECONDS - START)) s: $*"; }

# drive WANTED_EXIT ARGS...: runs the driver; its lines go to $OUT, its log to $LOG.
drive() {
    local want=$1 rc=0
    shift
    OUT=$("$DRIVER" "$JOURNAL" "${HOSTS[@]}" -- "$@" 2>"$LOG") || rc=$?
    [ $rc = "$want" ] || fail "driver $*: exit $rc, wanted $want: $OUT $(tail -5 "$LOG")"
}

state() { lab virsh "$1" domstate "$2" 2>/dev/null | head -1 || true; } # HOST VM; empty where it is not defined

other() { [ "$1" = host-a ] && echo host-b || echo host-a; }

running_on() { # VM: the hosts where it runs
    local host
    for host in host-a host-b; do
        [ "$(state $host "$1")" != running ] || echo $host
    done
}

expect_on() { # VM HOST: runs there, and not on the other
    local where
    where=$(running_on "$1" | tr '\n' ' ')
    [ "$where" = "$2 " ] || fail "$1 runs on '$where', wanted $2"
    case $(state "$(other "$2")" "$1") in "" | "shut off") ;; *) fail "$1 is not off on $(other "$2")" ;; esac
}

expect_boot() { # VM HOST BOOT FILE
    local line
    line=$(lab wait-ready "$2" "$1" "$3" 180) || fail "$1: no boot $3 on $2"
    case $line in *" file=$4 "*) ;; *) fail "$1 on $2: $line, wanted file=$4" ;; esac
    say "$2: $line"
}

# Volumes of a host that hold data of a move, by name.
moved_volumes() { ls "$LAB/$1/lib/images" | grep '\.m-[0-9]' || true; }
