#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# reseat import backblaze, as a program: the real sets whole; columns that change from file to file; bad rows; h5py; what
# an interruption or a full disk leaves behind.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
import() { "$BIN/reseat-import" backblaze --quiet "$@"; }
fail() {
    echo "import_backblaze: $*" >&2
    exit 1
}
is() { [ "$2" = "$3" ] || fail "$1: $2; expected $3"; }
counts() { jq -r '"\(.rows) \(.entities) \(.failing_entities) \(.bad_rows) \(.duplicates)"'; }

# Three days over the years: columns come, go and change places; gzip and xz; a row twice; a quoted field; no newline.
mkdir -p "$dir/in/2024"
cat >"$dir/in/2013-04-10.csv" <<'CSV'
date,serial_number,model,capacity_bytes,failure,smart_5_raw,smart_194_raw
2013-04-10,A1,ST4000,4000787030016,0,0,25
2013-04-10,B2,WD 10,-1,0,,31
CSV
gzip -c >"$dir/in/2013-04-11.csv.gz" <<'CSV'
failure,smart_197_normalized,smart_5_raw,date,serial_number,model,capacity_bytes
0,100,3,2013-04-11,A1,ST4000,4000787030016
0,100,8,2013-04-11,B2,"WD 10",600332565813390450
1,99,9,2013-04-11,B2,"WD 10",600332565813390450
CSV
printf '\xef\xbb\xbfdate,serial_number,model,capacity_bytes,failure,datacenter,unheard_of,smart_5_raw\r\n2024-01-02,A1,ST4000X,4000787030016,0,sac0,x,4\r\n' |
    xz >"$dir/in/2024/day.csv.xz"
is small "$(import "$dir/in" -o "$dir/small.h5" --json | counts)" "5 2 1 0 1"
info=$("$BIN/reseat-info" "$dir/small.h5" --verify --json)
is signals "$(jq -r '[.signals[] | .name + ":" + .kind] | join(" ")' <<<"$info")" \
    "smart_5_raw:counter smart_194_raw:gauge smart_197_normalized:gauge"
is attributes "$(jq -r '[.attributes[].name] | join(" ")' <<<"$info")" "model capacity_bytes datacenter"
is models "$(jq -r '.attributes[0].values | join("|")' <<<"$info")" "ST4000|ST4000X|WD 10"
is span "$(jq -r '.first + " " + .last' <<<"$info")" "2013-04-10T00:00:00Z 2024-01-02T00:00:00Z"

# As h5py sees it.
python=$(for p in python3 /usr/bin/python3; do "$p" -c 'import h5py' 2>"$dir/err" && echo "$p" && break; done || true)
if [ -n "$python" ]; then
    is h5py "$("$python" - "$dir/small.h5" <<'PY'
import sys, h5py, numpy
f = h5py.File(sys.argv[1])
model = f["entities/dictionaries/model"].asstr()[:][f["entities/attributes/model"][:]]
print(*f["entities/id"].asstr()[:], *model, *f["samples/offsets"][:], *f["failures/entity"][:],
      *f["samples/values"][:, 0], *numpy.isnan(f["samples/values"][:, 1]).astype(int), *f["entities/attributes/capacity_bytes"][:])
PY
)" "A1 B2 ST4000X WD 10 0 3 5 1 0.0 3.0 4.0 nan 9.0 0 1 1 0 1 4000787030016.0 nan"
fi

# Bad rows: counted, shown with file and line, and a limit.
cat >"$dir/bad.csv" <<'CSV'
date,serial_number,model,capacity_bytes,failure,smart_5_raw
2013-04-10,A1,M,1,0,5
2013-04-31,A1,M,1,0,5
2013-04-12,,M,1,0,5
2013-04-12,A1,M,1,2,5
2013-04-12,A1,M,1,0,many
2013-04-12,A1,M,1,0
date,serial_number,model,capacity_bytes,failure,smart_5_raw
2013-04-13,A1,M,1,0,6
CSV
! import "$dir/bad.csv" -o "$dir/bad.h5" 2>"$dir/err" || fail "71 % of bad rows were let through"
for want in 'bad.csv:3: no date: "2013-04-31"' 'bad.csv:4: serial number of 0 bytes' 'bad.csv:5: failure is neither 0 nor 1: "2"' \
    'bad.csv:6: no number: "many" in column 6' 'bad.csv:7: 5 columns where the header has 6' '5 bad rows of 7 read, at most 0.1 % allowed'; do
    grep -qF -- "$want" "$dir/err" || fail "not said: $want; but: $(cat "$dir/err")"
done
[ ! -e "$dir/bad.h5" ] || fail "bad.h5 was written"
is --max-bad "$(import "$dir/bad.csv" -o "$dir/bad.h5" --max-bad 5 --json 2>"$dir/err" | counts)" "2 1 0 5 0"
! import "$dir/bad.csv" -o "$dir/bad.h5" --max-bad 4 2>"$dir/err" || fail "5 bad rows passed --max-bad 4"
is share "$(import "$dir/bad.csv" -o "$dir/bad.h5" --max-bad 80% --json 2>"$dir/err" | counts)" "2 1 0 5 0"

# Mistakes, each with its own word and exit.
code() { # WANT_EXIT WORDS ARGUMENTS...
    local want=$1 words=$2 got=0
    shift 2
    "$@" >"$dir/out" 2>"$dir/err" || got=$?
    is "exit of $*" "$got" "$want"
    grep -qF -- "$words" "$dir/err" || fail "$*: $(cat "$dir/err"); expected: $words"
}
echo 'time,host' >"$dir/other.csv"
echo text >"$dir/text.h5"
code 1 "has no column date" import "$dir/other.csv" -o "$dir/x.h5"
code 1 "No such file" import "$dir/absent.csv" -o "$dir/x.h5"
code 1 "no *.csv" import "$dir/in/2024/.." -o "$dir/absent/x.h5" "$BIN"
code 1 "folder $dir/absent" import "$dir/in" -o "$dir/absent/x.h5"
code 1 "gzip data" import <(head -c 60 "$dir/in/2013-04-11.csv.gz") -o "$dir/x.h5"
code 2 "a format is needed" "$BIN/reseat-import" parquet "$dir/in" -o "$dir/x.h5"
code 2 "-o FLEET.h5" import "$dir/in"
code 2 "--max-bad" import "$dir/in" -o "$dir/x.h5" --max-bad few
code 1 "not an HDF5 file" "$BIN/reseat-info" "$dir/text.h5"
head -c 3000 "$dir/small.h5" >"$dir/cut.h5"
code 1 "damaged HDF5 file" "$BIN/reseat-info" "$dir/cut.h5"
[ ! -e "$dir/x.h5" ] || fail "a failed import wrote a file"

# A full disk while sorting, and while renaming: the older file stays, nothing lies beside it.
cp "$dir/small.h5" "$dir/keep.h5"
{
    head -n 1 "$dir/in/2013-04-10.csv"
    seq 1 200000 | awk '{ printf "2013-04-1%d,S%06d,M,1000000,0,%d,%d\n", $1 % 9, ($1 * 7919) % 200000, $1, $1 % 50 }'
} >"$dir/many.csv"
RS_FAULT=sorter.spill code 1 "No space left on device" import "$dir/many.csv" -o "$dir/keep.h5" --memory 8
RS_FAULT=builder.rename code 1 "cannot be renamed" import "$dir/many.csv" -o "$dir/keep.h5"
cmp "$dir/small.h5" "$dir/keep.h5" || fail "a failed import changed the older file"
[ -z "$(find "$dir" -name '*.partial-*' -o -name '.reseat-*')" ] || fail "a failed import left files"

# The same rows in any order give the same bytes.
import "$dir/many.csv" -o "$dir/a.h5" --memory 8 >"$dir/out"
{ head -n 1 "$dir/many.csv"; tail -n +2 "$dir/many.csv" | sort -t, -k6n; } | import - -o "$dir/b.h5" --memory 64 >"$dir/out"
cmp "$dir/a.h5" "$dir/b.h5" || fail "another order of rows gave another file"

data=${RESEAT_DATA:-$SRC/../shared/data}
if [ ! -d "$data" ]; then
    echo "import_backblaze: passed but for the real sets, which are absent ($data); set RESEAT_DATA" >&2
    exit 77
fi
# Rows, entities and failing entities as the README of each set states them.
is backblaze-2013-40d "$(import "$data/backblaze-2013-40d" -o "$dir/real.h5" --json | counts)" "605046 15963 88 0 0"
"$BIN/reseat-info" "$dir/real.h5" --verify --quiet >"$dir/out"
is backblaze-2019-lastday "$(import "$data/backblaze-2019-lastday/raw-4models-dev.csv.xz" -o "$dir/real.h5" --json | counts)" "27711 27711 327 0 0"
echo "the real sets import whole; what is wrong is said"
