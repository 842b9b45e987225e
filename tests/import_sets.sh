#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The mappings that come with Reseat import the real sets whole: rows read, entities and failing entities as the README of
# each set states them.
set -eu
data=${RESEAT_DATA:-$SRC/../shared/data}
if [ ! -d "$data" ]; then
    echo "import_sets: the real sets are absent ($data); set RESEAT_DATA" >&2
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# check MAP ROWS ENTITIES FAILING OPERANDS...
check() {
    local map=$1 want="$2 rows read, $3 entities, $4 failing, 0 bad" got
    shift 4
    got=$("$BIN/reseat-import" csv --map "$map" --quiet --json -o "$work/f.h5" "$@" |
        jq -r '"\(.rows_read) rows read, \(.entities) entities, \(.failing_entities) failing, \(.bad_rows) bad"')
    if [ "$got" != "$want" ]; then
        echo "import_sets: $map: $got; its README says $want" >&2
        failed=1
    fi
    # Times, names and outcomes must not have become signals or attributes.
    if "$BIN/reseat-info" --json "$work/f.h5" | jq -r '.signals[].name, .attributes[].name' |
        grep -xE 'date|datetime|.*timestamp.*|.*serial_number|event_date|failure.*|label|fails_in.*|.*_time|started|remove|insert|duration|out|event|failed|hw_failure|disk_id|node_id|SN|machineID|snapshot'; then
        echo "import_sets: $map: the columns above tell the outcome or the date" >&2
        failed=1
    fi
}

check smartmem-dimm 50833 50495 560 "$data"/smartmem-dimm/*.csv.xz
check backblaze-2013-40d 605046 15963 88 "$data"/backblaze-2013-40d/*.csv.xz
check backblaze-2019-lastday-raw 27711 27711 327 "$data"/backblaze-2019-lastday/raw-*.csv.xz
check backblaze-2019-lastday-normalised 16315 16315 292 "$data"/backblaze-2019-lastday/st4000*.csv.xz
check st4000dm000-2019q4-7d 13461 13461 86 "$data"/backblaze-st4000dm000-2019q4-7d/*.csv.xz
check device-failure-2015 86096 796 69 "$data"/device-failure-2015/*.csv.xz
pdm=$data/azure-pdm-subset
check azure-pdm 25920 12 11 "$pdm/telemetry-dev.csv.xz" failures="$pdm/failures-dev.csv.xz" \
    errors="$pdm/errors-dev.csv.xz" maintenance="$pdm/maint-dev.csv.xz" machines="$pdm/machines-dev.csv.xz"
[ "$("$BIN/reseat-info" --json "$work/f.h5" | jq .failures)" = 24 ] || { echo "import_sets: azure-pdm: not 24 failures" >&2; failed=1; }
check lanl-failures 16804 2491 2233 "$data"/lanl-failures/*.csv.xz
# 10,074 records blamed on hardware, nine of them at the time and of the kind of another; 6,323 on something else.
[ "$("$BIN/reseat-info" --json "$work/f.h5" | jq -c '[.failures, .events]')" = "[10065,6323]" ] || { echo "import_sets: lanl-failures: other numbers of failures and events" >&2; failed=1; }
check titan-gpu-lifetimes 26201 21165 3641 "$data"/titan-gpu-lifetimes/*.csv.xz
check alibaba-ssd-failures 13004 8434 8434 "$data"/alibaba-ssd-failures/*.csv.xz
check backblaze-2019q1-failing 11579 267 267 "$data"/backblaze-2019q1-failing/*.csv.xz
check st12000nm0007-2020 51505 25885 40 "$data"/backblaze-st12000nm0007-2020/*.csv.xz
[ $failed = 0 ] && echo "12 sets import whole"
exit $failed
