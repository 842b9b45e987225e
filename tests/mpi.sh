#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Training on several processes: two and three make the model of one, whatever the learner; an error of one ends all with
# one clear line; a lost process or Ctrl-C leaves no model behind. Without MPI in the build, the refusal to run so.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
train=$BIN/reseat-train
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl_base_warn_component_unused=0 TMPDIR=$work

die() {
    echo "mpi: $*" >&2
    exit 1
}

# ---- a program without MPI does not run as several copies of itself
"$BIN/reseat-data" simulate --hosts 50 --days 60 --seed 7 --failure-rate 8 -o fleet.h5 --quiet >/dev/null
if ! nm -D "$train" 2>/dev/null | grep -q MPI_Init; then
    code=0
    OMPI_COMM_WORLD_SIZE=2 "$train" train fleet.h5 -o none.rsm --quiet 2>err || code=$?
    [ "$code" = 1 ] || die "a build without MPI ran as one of two, exit $code"
    grep -q "2 processes were started, but this program was built without MPI" err || die "refusal says: $(cat err)"
    [ ! -e none.rsm ] || die "a refused training left a model"
    exit 0
fi
command -v mpirun >/dev/null || { echo "skipped: mpirun is not installed"; exit 77; }

# on N COMMAND...
on() {
    local n=$1
    shift
    timeout 300 mpirun -np "$n" "$@"
}
# same NAME BOUND OPTIONS...: one, two and three processes make the same model, to BOUND
same() {
    local name=$1 bound=$2 n
    shift 2
    "$train" train fleet.h5 -o one.rsm --quiet "$@"
    "$train" dump one.rsm --json >one.json
    for n in 2 3; do
        on $n "$train" train fleet.h5 -o many.rsm --quiet "$@" || die "$name: $n processes: exit $?"
        "$train" dump many.rsm --json >many.json
        printf '%s, %s processes: ' "$name" $n
        python3 "$SRC/tests/compare_models.py" one.json many.json "$bound" || die "$name on $n processes"
    done
}

on 3 "$BIN/../tests/test_comm" >out 2>&1 || die "exchanges: $(cat out)"

# The issue's bound is 1e-9 in every coefficient; sums in another order alone account for some 1e-12.
same "plain" 1e-9 --features values --learner logistic -C 1 --folds 0
same "defaults" 1e-9
same "svm" 1e-9 --learner svm --features base
same "rbf" 1e-9 --learner rbf --features values

# ---- one process under mpirun makes the very bytes that it makes alone
"$train" train fleet.h5 -o alone.rsm --quiet --features values --learner logistic -C 1 --folds 0
on 1 "$train" train fleet.h5 -o under.rsm --quiet --features values --learner logistic -C 1 --folds 0
cmp alone.rsm under.rsm || die "one process under mpirun made another model"

# fails TEXT N COMMAND...: exit other than 0, TEXT in one line of ours, and no model
fails() {
    local text=$1 n=$2 code=0
    shift 2
    rm -f model.rsm*
    on "$n" "$@" >out 2>&1 || code=$?
    [ "$code" != 0 ] && [ "$code" != 124 ] || die "exit $code: $* ($(cat out))"
    [ "$(grep -cF -- "$text" out)" = 1 ] || die "not once '$text' from: $* ($(cat out))"
    ! compgen -G 'model.rsm*' >/dev/null || die "a model is left: $(ls)"
}
plain=(--quiet --features values --learner logistic -C 1 --folds 0)
# the same error in all, and the error of one: the second process meets a fault in its seventh exchange
fails "less than the horizon of 90d" 2 "$train" train fleet.h5 -o model.rsm --horizon 90d "${plain[@]}"
fails "no/such.h5" 2 "$train" train no/such.h5 -o model.rsm "${plain[@]}"
fails "No such file or directory" 2 "$train" train fleet.h5 -o no/such/model.rsm "${plain[@]}"
fails "learner: best: " 2 "$train" train fleet.h5 -o model.rsm --learner best
fails "one fleet file needed, 2 given" 3 "$train" train fleet.h5 other.h5 -o model.rsm
fails "--nonsense: no such option" 1 "$train" train fleet.h5 -o model.rsm "${plain[@]}" \
    : -np 1 "$train" train fleet.h5 -o model.rsm --nonsense
fails "process 2 of 2: named fault comm.meet" 1 "$train" train fleet.h5 -o model.rsm "${plain[@]}" \
    : -np 1 env RS_FAULT=comm.meet:7 "$train" train fleet.h5 -o model.rsm "${plain[@]}"

# ---- a lost process: killed at an exchange, the first one or the second
for at in 1 5 25; do
    for lost in 1 2; do
        first=- second=-
        [ $lost = 1 ] && first=comm.meet:$at:kill || second=comm.meet:$at:kill
        fails "action=kill" 1 env RS_FAULT=$first "$train" train fleet.h5 -o model.rsm "${plain[@]}" \
            : -np 1 env RS_FAULT=$second "$train" train fleet.h5 -o model.rsm "${plain[@]}"
    done
done

# ---- Ctrl-C while a process waits for the other
mpirun -np 1 "$train" train fleet.h5 -o model.rsm "${plain[@]}" \
    : -np 1 env RS_FAULT=comm.meet:9:delay=60000 "$train" train fleet.h5 -o model.rsm "${plain[@]}" >out 2>&1 &
job=$!
sleep 3
kill -INT $job
code=0
wait $job || code=$?
[ "$code" != 0 ] || die "interrupted, yet exit 0"
! compgen -G 'model.rsm*' >/dev/null || die "an interrupted training left $(ls)"
