#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# lab.sh: two or three real libvirt hosts on one machine, and VMs on them, for the demo and the tests. Root; needs no
# systemd, no KVM, and the network only for the first fetch of the guest's kernel (guest.sh).
#
#   lab.sh up DIR HOST...            hosts with libvirtd, own state and a storage pool "local"; about a second for two
#   lab.sh down DIR                  ends all of it and removes DIR; may be called twice, or after a failed "up"
#   lab.sh uri DIR HOST              the libvirt URI of a host, usable from outside its namespaces
#   lab.sh vm DIR HOST NAME [raw|qcow2] [TEMP_MIB] [CLASS]   makes, defines and starts a VM with a temp disk
#   lab.sh wait-ready DIR HOST NAME BOOT [TIMEOUT_S]   waits for the guest's boot number BOOT there; prints its line
#   lab.sh console DIR HOST NAME     what the guest has printed on that host
#   lab.sh disk DIR HOST NAME [TARGET]       path of the temp disk (or of TARGET) as seen from outside the host
#   lab.sh checksum DIR HOST NAME [TARGET]   SHA-256 of the disk's second half, which holds random data from the host
#                                    and is never written by the guest: equal before and after a move
#   lab.sh virsh DIR HOST ARG...     virsh on a host
#   lab.sh freeze|thaw DIR HOST      stops (continues) a host's libvirtd by signal: a host that hangs
#   lab.sh stop|start DIR HOST       ends (starts) a host's libvirtd; its guests go on
#   lab.sh enter DIR HOST CMD...     runs CMD inside a host's namespaces
#
# LAB_OWNER=PID with "up" takes the lab down when that process ends, however it ends. LAB_ACCEL=tcg|kvm overrides the
# probe (KVM is used only where a guest is seen to boot with it). With "vm": LAB_GUEST="lab.acpi=ignore" adds words to
# the guest's kernel command line, LAB_DATA_MIB=N a second local disk vdc, LAB_MEMORY_MIB=N memory (128).
set -eu
here=$(dirname "$(realpath "$0")")
me=$(realpath "$0")

die() {
    echo "lab.sh: $*" >&2
    exit 1
}

start_time() { # of a process, in clock ticks since boot: tells it from a later one with the same number
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    set -- $stat
    echo "${20}"
}

record_process() { echo "$2 $(start_time "$2")" >"$1"; } # record_process FILE PID

recorded_process() { # prints the PID in FILE where that very process still runs
    local pid start
    read -r pid start 2>/dev/null <"$1" || return 1
    [ "$(start_time "$pid")" = "$start" ] && echo "$pid"
}

end_recorded_process() {
    local pid
    pid=$(recorded_process "$1") || return 0
    kill -9 "$pid" 2>/dev/null || return 0
    while [ "$(recorded_process "$1")" ]; do sleep 0.02; done
}

hosts_of() { cat "$dir/hosts" 2>/dev/null || true; }

host_pid() { recorded_process "$dir/$1/pid" || die "$dir has no running host $1"; }

uri_of() { echo "qemu+unix:///system?socket=$dir/$1/run/libvirt/libvirt-sock"; }

virsh_on() {
    local host=$1
    shift
    virsh -q -c "$(uri_of "$host")" "$@"
}

write_host_config() { # write_host_config ROOT
    mkdir -p "$1"/{run,lib/images,cache,log,etc}
    cat >"$1/etc/libvirtd.conf" <<C
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
unix_sock_dir = "/run/libvirt"
auth_unix_rw = "none"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
C
    cat >"$1/etc/qemu.conf" <<C
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
C
}

start_host() {
    local root=$dir/$1 outer inner=""
    write_host_config "$root"
    setsid unshare --mount --net --uts --pid --fork --kill-child --mount-proc \
        bash "$here/host.sh" "$root" "$1" >"$root/log/host.log" 2>&1 </dev/null &
    outer=$!
    for _ in {1..100}; do
        inner=$(pgrep -P "$outer") && break
        sleep 0.02
    done
    [ -n "$inner" ] || die "host $1 did not start: $(cat "$root/log/host.log")"
    record_process "$root/pid" "$inner"
}

wait_host() {
    for _ in {1..200}; do
        virsh_on "$1" pool-list >/dev/null 2>&1 && return
        recorded_process "$dir/$1/pid" >/dev/null || break
        sleep 0.05
    done
    die "host $1: libvirtd does not answer: $(tail -3 "$dir/$1/log/host.log" "$dir/$1/log/libvirtd.log" 2>&1)"
}

make_pool() {
    virsh_on "$1" "pool-define-as local dir --target /var/lib/libvirt/images; pool-start local; pool-autostart local" \
        >/dev/null || die "host $1: no storage pool"
}

cmd_up() {
    [ "$(id -u)" = 0 ] || die "needs root for its namespaces"
    local tool
    for tool in unshare nsenter pgrep ip libvirtd virsh qemu-img qemu-system-x86_64; do
        command -v $tool >/dev/null || die "$tool is missing (packaging/packages.txt lists what to install)"
    done
    [ $# -gt 0 ] || die "up: no host named"
    [ ! -e "$dir/hosts" ] || die "$dir already holds a lab: lab.sh down $dir"
    mkdir -p "$dir"
    dir=$(realpath "$dir")
    local longest=$dir/$(printf '%s\n' "$@" | awk '{ if (length > n) { n = length; s = $0 } } END { print s }')
    [ ${#longest} -le 75 ] || die "$dir: too long a path for a Unix socket below it"
    trap 'trap - INT TERM EXIT; cmd_down; exit 1' INT TERM EXIT
    echo "$*" >"$dir/hosts"
    if [ -n "${LAB_OWNER:-}" ]; then
        setsid bash "$me" keep "$dir" "$LAB_OWNER" >/dev/null 2>&1 </dev/null &
        record_process "$dir/keeper" $!
    fi
    local host
    for host; do start_host "$host"; done
    for host; do
        wait_host "$host"
        make_pool "$host"
    done
    trap - INT TERM EXIT
}

cmd_keep() { # waits for the owner's end, then takes the lab down
    local start
    start=$(start_time "$1") || true
    while [ -n "$start" ] && [ "$(start_time "$1")" = "$start" ]; do sleep 0.5; done
    rm -f "$dir/keeper"
    cmd_down
}

cmd_down() {
    [ -e "$dir/hosts" ] || return 0
    local host
    end_recorded_process "$dir/keeper"
    for host in $(hosts_of); do end_recorded_process "$dir/$host/pid"; done
    for host in $(hosts_of); do rm -rf "${dir:?}/$host"; done
    rm -f "$dir/accel" "$dir/hosts"
    rmdir "$dir" 2>/dev/null || true
}

# KVM's device node proves nothing: only a guest that boots does.
kvm_boots() {
    local console=$dir/kvm-probe pid
    [ -w /dev/kvm ] || return 1
    timeout 10 qemu-system-x86_64 -machine q35,accel=kvm -cpu host -m 128 -nodefaults -display none -no-reboot \
        -kernel "$1/vmlinuz" -initrd "$1/initrd.img" -append "console=ttyS0 quiet panic=1" -serial "file:$console" \
        >/dev/null 2>&1 </dev/null &
    pid=$!
    while kill -0 $pid 2>/dev/null && ! grep -aqs GUEST-READY "$console"; do sleep 0.1; done
    grep -aqs GUEST-READY "$console" || { rm -f "$console"; return 1; }
    kill $pid 2>/dev/null || true
    rm -f "$console"
}

domain_type() {
    if [ ! -e "$dir/accel" ]; then
        if [ "${LAB_ACCEL:-}" = kvm ] || { [ -z "${LAB_ACCEL:-}" ] && kvm_boots "$1"; }; then
            echo kvm
        else
            echo qemu
        fi >"$dir/accel"
    fi
    cat "$dir/accel"
}

# A disk of SIZE_MIB whose second half holds four stretches of random data between holes.
make_disk() { # make_disk PATH FORMAT SIZE_MIB
    local raw=$1.part stretch=$(($3 / 16)) i
    truncate -s "${3}M" "$raw"
    for i in 0 1 2 3; do
        head -c "${stretch}M" /dev/urandom |
            dd of="$raw" bs=1M seek=$(($3 / 2 + i * $3 / 8)) conv=notrunc iflag=fullblock status=none
    done
    if [ "$2" = raw ]; then
        mv "$raw" "$1"
    else
        qemu-img convert -f raw -O "$2" "$raw" "$1"
        rm "$raw"
    fi
}

disk_xml() { # disk_xml FILE FORMAT TARGET SERIAL
    echo "<disk type='file' device='disk'><driver name='qemu' type='$2' discard='unmap'/>"
    echo "<source file='/var/lib/libvirt/images/$1'/><target dev='$3' bus='virtio'/><serial>$4</serial></disk>"
}

cmd_vm() { # cmd_vm HOST NAME [FORMAT] [TEMP_MIB] [CLASS]
    local host=$1 name=$2 format=${3:-raw} mib=${4:-64} class=${5:-standard} guest type cpu disks
    case $format in raw | qcow2) ;; *) die "vm: format $format: raw or qcow2 wanted" ;; esac
    host_pid "$host" >/dev/null
    guest=$("$here/guest.sh")
    type=$(domain_type "$guest")
    [ "$type" = kvm ] && cpu=host-passthrough || cpu=maximum
    make_disk "$dir/$host/lib/images/$name-temp.$format" "$format" "$mib"
    disks=$(disk_xml "$name-temp.$format" "$format" vdb temp)
    if [ -n "${LAB_DATA_MIB:-}" ]; then
        make_disk "$dir/$host/lib/images/$name-data.$format" "$format" "$LAB_DATA_MIB"
        disks+=$(disk_xml "$name-data.$format" "$format" vdc data)
    fi
    cat >"$dir/$host/$name.xml" <<D
<domain type='$type'>
  <name>$name</name>
  <metadata>
    <reseat:vm xmlns:reseat='urn:reseat:vm:1' class='$class'><reseat:temp-disk target='vdb'/></reseat:vm>
  </metadata>
  <memory unit='MiB'>${LAB_MEMORY_MIB:-128}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>$guest/vmlinuz</kernel>
    <initrd>$guest/initrd.img</initrd>
    <cmdline>console=ttyS0 quiet panic=1 lab.vm=$name ${LAB_GUEST:-}</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='$cpu'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    $disks
    <controller type='usb' model='none'/>
    <serial type='pty'><log file='/var/log/libvirt/$name.console' append='on'/><target port='0'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
D
    virsh_on "$host" "pool-refresh local; define $dir/$host/$name.xml; start $name" >/dev/null ||
        die "vm $name on $host: not started"
}

cmd_console() { cat "$dir/$1/log/$2.console" 2>/dev/null || true; }

cmd_wait_ready() { # HOST NAME BOOT [TIMEOUT_S]
    local end=$((SECONDS + ${4:-90})) line
    while :; do
        line=$(cmd_console "$1" "$2" | grep -a -o "GUEST-READY boot=$3 .*" | tr -d '\r' | tail -1)
        [ -z "$line" ] || break
        [ $SECONDS -lt $end ] ||
            die "$2 on $1: no boot $3 within ${4:-90} s; its console ends: $(cmd_console "$1" "$2" | tail -3)"
        sleep 0.1
    done
    echo "$line"
}

cmd_disk() { # HOST NAME [TARGET]
    local path
    path=$(virsh_on "$1" domblklist --inactive "$2" | awk -v t="${3:-vdb}" '$1 == t { print $2 }')
    [ -n "$path" ] || die "$2 on $1 has no disk ${3:-vdb}"
    echo "$dir/$1/lib/${path#/var/lib/libvirt/}"
}

cmd_checksum() { # HOST NAME [TARGET]
    local disk flat=$dir/$1/flat.$$ size
    disk=$(cmd_disk "$@")
    qemu-img convert -U -O raw "$disk" "$flat"
    size=$(stat -c %s "$flat")
    tail -c +$((size / 2 + 1)) "$flat" | sha256sum | cut -d' ' -f1
    rm -f "$flat"
}

signal_libvirtd() { # HOST SIGNAL
    nsenter -t "$(host_pid "$1")" -m -p sh -c 'kill -'"$2"' "$(cat /run/libvirtd.pid)"'
}

cmd_stop() {
    touch "$dir/$1/run/hold"
    signal_libvirtd "$1" TERM
    while nsenter -t "$(host_pid "$1")" -m -p sh -c 'kill -0 "$(cat /run/libvirtd.pid)"' 2>/dev/null; do sleep 0.05; done
}

cmd_start() {
    rm -f "$dir/$1/run/hold"
    wait_host "$1"
}

cmd_enter() {
    local pid
    pid=$(host_pid "$1")
    shift
    exec nsenter -t "$pid" -m -n -u -p "$@"
}

[ $# -ge 2 ] || die "usage: lab.sh up|down|uri|vm|wait-ready|console|disk|checksum|virsh|freeze|thaw|stop|start|enter DIR ..."
command=$1
dir=$(realpath -m "$2")
shift 2
case $command in
up) cmd_up "$@" ;;
down) cmd_down ;;
keep) cmd_keep "$@" ;;
uri) uri_of "$1" ;;
vm) cmd_vm "$@" ;;
wait-ready) cmd_wait_ready "$@" ;;
console) cmd_console "$@" ;;
disk) cmd_disk "$@" ;;
checksum) cmd_checksum "$@" ;;
virsh) virsh_on "$@" ;;
freeze) signal_libvirtd "$1" STOP ;;
thaw) signal_libvirtd "$1" CONT ;;
stop) cmd_stop "$@" ;;
start) cmd_start "$@" ;;
enter) cmd_enter "$@" ;;
*) die "no command $command" ;;
esac
