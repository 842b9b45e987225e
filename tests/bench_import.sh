#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# reseat import backblaze on one core: the largest real set replicated with new serials, sorted by serial and day by day.
#
#     BIN=build/release/bin SRC=. tests/bench_import.sh [SIZE...]          sizes in GB, default 2 8
#
# Prints MB/s by the clock, MB per second of processor time (what it would be on a core of its own) and peak memory of
# each run; exits 3 where one is slower than 150 MB/s by the clock, takes over 200 MB, or where the peaks of one order
# differ by over 5 %. $RESEAT_BENCH_DIR is where the files go (default: a temporary folder); twice the
# largest size must be free. $RESEAT_BENCH_RUNS (default 1) runs of each, of which the median counts.
set -eu
data=${RESEAT_DATA:-$SRC/../shared/data}
csv=$data/backblaze-2013-40d/drive-days-dev.csv.xz
[ -e "$csv" ] || { echo "bench_import: the real set is absent ($csv); set RESEAT_DATA" >&2; exit 77; }
[ -x /usr/bin/time ] || { echo "bench_import: /usr/bin/time is absent (Debian package time)" >&2; exit 77; }
dir=$(mktemp -d "${RESEAT_BENCH_DIR:-${TMPDIR:-/tmp}}/reseat-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
"${CC:-cc}" -O2 -o "$dir/replicate" "$SRC/tests/replicate.c"
xz -dc "$csv" >"$dir/one.csv"
[ $# -gt 0 ] || set -- 2 8
runs=${RESEAT_BENCH_RUNS:-1}
missed=0

# One run: its seconds, peak KiB, seconds of processor time in user and system mode.
run() {
    taskset -c 0 /usr/bin/time -o "$dir/time" -f '%e %M %U %S' "$BIN/reseat-import" backblaze "$dir/big.csv" -o "$dir/big.h5" \
        --quiet --json >"$dir/counts"
    [ "$(jq .bad_rows "$dir/counts")" = 0 ]
    cat "$dir/time"
}

echo "machine: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), one core of $(nproc)"
for order in serial day; do
    peaks=()
    for size in "$@"; do
        "$dir/replicate" $order "${size}e9" <"$dir/one.csv" >"$dir/big.csv"
        bytes=$(stat -c %s "$dir/big.csv")
        for ((i = 0; i < runs; i++)); do run; done | sort -n >"$dir/runs"
        read -r seconds peak user system < <(sed -n "$(((runs + 1) / 2))p" "$dir/runs")
        peaks+=("$peak")
        speed=$(awk "BEGIN { printf \"%.0f\", $bytes / 1e6 / $seconds }")
        alone=$(awk "BEGIN { printf \"%.0f\", $bytes / 1e6 / ($user + $system) }")
        echo "import backblaze, $size GB by $order: $speed MB/s ($alone MB per processor second), peak $(awk "BEGIN { printf \"%.1f\", $peak * 1.024e-3 }") MB" \
            "($(jq .rows "$dir/counts") rows of $(jq .entities "$dir/counts") drives, $seconds s)"
        [ "$speed" -ge 150 ] || { echo "bench_import: slower than 150 MB/s" >&2; missed=3; }
        [ "$peak" -lt 195312 ] || { echo "bench_import: more than 200 MB" >&2; missed=3; }
        rm -f "$dir/big.csv" "$dir/big.h5"
    done
    spread=$(printf '%s\n' "${peaks[@]}" | sort -n | awk 'NR == 1 { low = $1 } { high = $1 } END { printf "%.1f", 100 * (high - low) / low }')
    echo "import backblaze by $order: peaks within $spread %"
    awk "BEGIN { exit !($spread <= 5) }" || { echo "bench_import: peaks differ by over 5 %" >&2; missed=3; }
done
exit $missed
