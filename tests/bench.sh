#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# bench.sh: what ./run bench prints. Each figure is the median of five runs (training: three) with its spread; ratios are
# against a peer in the same run. Works on a simulated fleet; the import bar (bench_import.sh) needs the real sets.
set -eu
BIN=${BIN:?the folder of the programs}
SRC=${SRC:-$(dirname "$(dirname "$(realpath "$0")")")}
export BIN SRC
dir=$(mktemp -d "${TMPDIR:-/tmp}/reseat-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
cd "$dir"

# seconds RUNS CMD...: sorted wall seconds of each run, one a line.
seconds() {
    local runs=$1
    shift
    for ((i = 0; i < runs; i++)); do
        /usr/bin/time -o t -f %e "$@" >out 2>&1 || { cat out >&2; exit 1; }
        cat t
    done | sort -n
}
median() { awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }' "$1"; }
report() { # report NAME UNITS UNIT FILE: rate at the median, and the spread of the seconds
    awk -v name="$1" -v n="$2" -v unit="$3" '{ v[NR] = $1 }
        END { m = v[int((NR + 1) / 2)]; printf "%-34s %8.3f s  (%.3f to %.3f)  %.3g %s/s\n", name, m, v[1], v[NR], n / m, unit }' "$4"
}
# A Python that has scikit-learn: the one in the way, or Debian's.
sklearn_python() {
    for p in python3 /usr/bin/python3; do
        "$p" -c 'import sklearn' 2>/dev/null && echo "$p" && return
    done
    return 1
}

echo "machine: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
"$BIN/reseat-simulate" --hosts 1000 --days 90 --seed 1 --quiet -o fleet.h5 >/dev/null
rows=$("$BIN/reseat-info" fleet.h5 --json | jq '.samples // .rows // .n_rows')
seconds 5 "$BIN/reseat-simulate" --hosts 1000 --days 90 --seed 1 --quiet -o again.h5 >s
report "simulate 1,000 hosts x 90 d" "$rows" rows s
# Defaults: automatic features, every candidate, five folds, pooling, calibration. Seconds of the wall, then of all cores.
for ((i = 0; i < 3; i++)); do
    /usr/bin/time -o t -f "%e %U %S" "$BIN/reseat-train" train fleet.h5 -o fleet.rsm --horizon 7d --quiet >out 2>&1 ||
        { cat out >&2; exit 1; }
    cat t
done >times
sort -n times | cut -d' ' -f1 >s
report "train with its defaults, wall" "$rows" rows s
awk '{ print $2 + $3 }' times | sort -n >s
report "  the same, CPU of all threads" "$rows" rows s
seconds 5 "$BIN/reseat-score" fleet.h5 -m fleet.rsm -o scores.csv --quiet >s
report "score to CSV" "$rows" rows s
score=$(median s)
seconds 5 h5dump -d /samples/values -o /dev/null fleet.h5 >p
printf '%-34s %8.3f s  score takes %.2f of it\n' "peer: h5dump of the same readings" "$(median p)" \
    "$(awk "BEGIN { print $score / $(median p) }")"
seconds 5 "$BIN/reseat-eval" fleet.h5 -m fleet.rsm --bootstrap 200 >s
report "eval with 200 resamplings" "$rows" rows s
"$BIN/../tests/bench_score"
"$BIN/reseat-simulate" --scenario bench --rows 2000000 --quiet -o rows.h5 >/dev/null
cp rows.h5 scratch.h5
"$BIN/../tests/bench_read" rows.h5 scratch.h5
rm -f scratch.h5
RS_BENCH_ROWS=${RS_BENCH_ROWS:-10000000} # takes LIBLINEAR a minute and 9 GB
"$BIN/reseat-simulate" --scenario bench --rows "$RS_BENCH_ROWS" --quiet -o load.h5 >/dev/null
"$BIN/../tests/bench_train" "$BIN/reseat-train" load.h5 load.rsm
rm -f load.h5
# Two processes of one thread against one of two, in turn, the least of the runs of each: what MPI costs.
mpi=$BIN/../../mpi/bin/reseat-train
two_processes() { # NAME FLEET OPTIONS...
    local name=$1 fleet=$2
    shift 2
    rm -f s1 s2
    for _ in 1 2 3; do
        RESEAT_THREADS=2 seconds 1 "$mpi" train "$fleet" -o load.rsm --quiet "$@" >>s1
        RESEAT_THREADS=1 seconds 1 mpirun -np 2 "$mpi" train "$fleet" -o load.rsm --quiet "$@" >>s2
    done
    awk -v name="$name" -v one="$(sort -n s1 | head -n 1)" -v two="$(sort -n s2 | head -n 1)" \
        'BEGIN { printf "%-34s %8.3f s  two threads: %.3f s, ratio %.2f\n", name, two, one, two / one }'
}
if command -v mpirun >/dev/null && [ -x "$mpi" ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    two_processes "two processes, plain" rows.h5 --features values --learner logistic -C 1 --folds 0 --memory 0
    two_processes "two processes, validation" fleet.h5 --horizon 7d
else
    echo "two processes: skipped: openmpi-bin is not installed, or the preset mpi is not built"
fi
rm -f rows.h5 load.rsm
if command -v svm-train >/dev/null; then
    "$BIN/../tests/bench_rbf"
else
    echo "RBF selection: skipped: svm-train (libsvm-tools) is not installed"
fi
"$BIN/../tests/bench_solver" --write rows.bin | tee solver.txt
if python3=$(sklearn_python); then
    "$python3" "$SRC/tests/bench_sklearn.py" rows.bin solver.txt
else
    echo "scikit-learn's newton-cholesky: skipped: python3-sklearn is not installed"
fi
rm -f rows.bin
"$BIN/../tests/bench_solver" "$RS_BENCH_ROWS" 3
cd /
status=0
"$SRC/tests/bench_import.sh" "$@" || status=$?
[ $status = 77 ] && status=0
exit $status
