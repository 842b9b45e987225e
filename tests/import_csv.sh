#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# reseat import csv with small files whose result is known by hand: wide and long, times, scales, attributes, failures in the
# same and another file, labels, counters, and every complaint.
set -eu
py=/usr/bin/python3
if ! $py -c 'import h5py' 2>/dev/null; then
    echo "import_csv: python3-h5py is missing" >&2
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
import() { "$BIN/reseat-import" csv --quiet -o out.h5 "$@" >import.out 2>import.err; }
# Samples as "entity time signal=value ...", failures as "FAIL entity time back kind", maintenance as "MAINT ...".
cat >show.py <<'P'
import h5py, math
f = h5py.File("out.h5")
text = lambda d: [s.decode() if isinstance(s, bytes) else s for s in d[:]]
ids, names, off = text(f["entities/id"]), text(f["signals/name"]), f["samples/offsets"][:].astype(int)
for e, i in enumerate(ids):
    if off[e] == off[e + 1]:
        print(i, "-")
    for r in range(off[e], off[e + 1]):
        v = f["samples/values"][r] if names else []
        label = " label=%d" % f["samples/label"][r] if "label" in f["samples"] else ""
        print(i, f["samples/time"][r], *("%s=%g" % p for p in zip(names, v) if not math.isnan(p[1])), end=label + "\n")
for what, word, end in (("failures", "FAIL", "back"), ("maintenance", "MAINT", "end")):
    if what not in f:
        continue
    kinds, t = text(f[what + "/kinds"]), f[what + ("/time" if what == "failures" else "/start")][:]
    for k in range(len(t)):
        e, b, c = (int(f[f"{what}/{x}"][k]) for x in ("entity", end, "kind"))
        print(word, ids[e], t[k], b if b > -2**62 else "never", kinds[c] if c >= 0 else "-")
for what, word in (("events", "EVENT"), ("mitigations", "SAVED")):
    kinds = text(f[what + "/kinds"])
    for e, t, c in zip(f[what + "/entity"], f[what + "/time"], f[what + "/kind"]):
        print(word, ids[e], t, kinds[c])
if "control_share" in f["mitigations"].attrs:
    print("SHARE", f["mitigations"].attrs["control_share"])
P
# expect NAME: the file as shown must be standard input.
expect() {
    $py show.py >got 2>&1 || true
    if ! diff -u --label "wanted: $1" --label got - got >&2; then
        failed=1
    fi
}
# refuse NAME STATUS MESSAGE ARGUMENTS...: the import fails, says so, and writes nothing.
refuse() {
    local name=$1 status=$2 message=$3 rc=0
    shift 3
    rm -f out.h5
    import "$@" || rc=$?
    if [ $rc != "$status" ] || ! grep -qF -- "$message" import.err || [ -e out.h5 ]; then
        echo "import_csv: $name: status $rc, wanted $status and \"$message\":" >&2
        cat import.err >&2
        failed=1
    fi
}

# Wide: a template, a date, a scale, missing words, a pattern, an ignored column, failures with a return to service.
cat >wide.csv <<'C'
site,node,day,temp_f,err_a,err_b,row,state,fixed
x,1,03.02.2020,32,5,,1,ok,
x,1,04.02.2020,212,NA,2,2,down,05.02.2020
y,1,03.02.2020,,1,1,3,down,
C
cat >wide.yaml <<'Y'
entity: "{site}-{node}"
time: {column: day, format: "%d.%m.%Y"}
missing: [NA]
ignore: [row]
attributes: [site]
signals:
  - {column: temp_f, name: temp_c, unit: Cel, scale: 0.5555555555555556, offset: -17.77777777777778}
  - {match: "err_*", kind: counter}
failures:
  when: {column: state, equals: down}
  kind: "{state}"
  back: {column: fixed, format: "%d.%m.%Y"}
Y
import --map wide.yaml wide.csv
# 2020-02-03 = 1580688000 by date -u -d 2020-02-03 +%s
expect wide <<'W'
x-1 1580688000 temp_c=0 err_a=5
x-1 1580774400 temp_c=100 err_b=2
y-1 1580688000 err_a=1 err_b=1
FAIL x-1 1580774400 1580860800 down
FAIL y-1 1580688000 never down
W

# Long, sorted by signal as exporters write it: readings of one entity and time meet again.
cat >long.csv <<'C'
ts;who;what;value
1000;b;cpu;0.5
1000;a;cpu;0.25
2000;a;cpu;0.75
1000;a;disk;7
1000;b;other;1
2000;a;disk;
1000;a;cpu;0.5
C
cat >long.yaml <<'Y'
delimiter: ";"
entity: "{who}"
time: {column: ts, format: unix}
long: {signal: what, value: value}
signals:
  - {column: cpu, unit: "1"}
  - {match: "di*", kind: counter}
Y
import --map long.yaml long.csv
expect long <<'W'
a 1000 cpu=0.5 disk=7
a 2000 cpu=0.75
b 1000 cpu=0.5
W

# Events, attributes and counters from other files, named by role; an entity that only an event knows.
printf 'm,t,v\n1,2020-01-01T00:00:00Z,1.5\n1,2020-01-01T01:00:00Z,2.5\n' >tele.csv
printf 'm,t,k\n1,2020-01-01 00:30,comp1\n9,2020-01-01 00:00,comp2\n' >fail.csv
printf 'm,t,e\n1,2019-12-31,e1\n1,2020-01-01 01:00,e1\n1,2020-01-01 00:10,e2\n' >err.csv
printf 'm,t\n1,1577836800000\n' >maint.csv
printf 'm,model\n1,x\n' >mach.csv
cat >roles.yaml <<'Y'
entity: "pdm-{m}"
time: t
signals: [{column: v}]
failures: {role: failures, file: none.csv, entity: "pdm-{m}", time: t, kind: "{k}", back: instant}
maintenance: {role: repairs, file: maint.csv, entity: "pdm-{m}", time: {column: t, format: unix-ms}, kind: swap}
counters: {role: errors, entity: "pdm-{m}", time: t, name: "{e}_total"}
attributes_from: {role: machines, entity: "pdm-{m}", attributes: [model]}
Y
import --map roles.yaml tele.csv failures=fail.csv errors=err.csv machines=mach.csv
# 2020-01-01 = 1577836800
expect roles <<'W'
pdm-1 1577836800 e1_total=1 e2_total=0 v=1.5
pdm-1 1577840400 e1_total=2 e2_total=1 v=2.5
pdm-9 -
FAIL pdm-1 1577838600 1577838600 comp1
FAIL pdm-9 1577836800 1577836800 comp2
MAINT pdm-1 1577836800 1577836800 swap
W
[ "$("$BIN/reseat-info" --json out.h5 | jq -r '.attributes[0].values[0]')" = x ] || { echo "import_csv: model lost" >&2; failed=1; }

# A ready label; a constant time; standard input; a component and its host.
printf 'd,h,y,v\na,h1,1,1\nb,h1,0,2\nc,h1,,3\n' >label.csv
cat >label.yaml <<'Y'
entity: "{d}"
kind: component
parent: "{h}"
time: {value: 2020-01-01}
label: {column: y}
signals: [{match: "*"}]
Y
import --map label.yaml - <label.csv
expect label <<'W'
a 1577836800 v=1 label=1
b 1577836800 v=2 label=0
c 1577836800 v=3 label=-1
h1 -
W
grep -q '1 failing' import.out || { echo "import_csv: a label of 1 is a failing entity: $(cat import.out)" >&2; failed=1; }

# A row that stands for a span of time: samples at both ends and so often in between; counters as of each.
printf 'g,from,to,why\n1,2020-01-01,2020-01-04T12:00:00Z,dbe\n1,2020-02-01,2020-02-01,\n2,,2020-01-02,dbe\n' >span.csv
cat >span.yaml <<'Y'
entity: "{g}"
time: {column: from, empty: no-sample}
span: {until: {column: to}, every: 2d}
failures: {when: {column: why, equals: dbe}, time: to, kind: "{why}", back: instant}
counters: {time: {column: from, empty: no-sample}, name: installs_total}
Y
import --map span.yaml span.csv
expect span <<'W'
1 1577836800 installs_total=1
1 1578009600 installs_total=1
1 1578139200 installs_total=1
1 1580515200 installs_total=2
2 -
FAIL 1 1578139200 1578139200 dbe
FAIL 2 1577923200 1577923200 dbe
W

# Records of events alone: a grid over the span of each group, nodes without records from an inventory, events by what a row
# holds. Rack y has one record too few for samples. Group x spans days 0 to 10; 2 days after it every 3 days, and its end.
cat >outage.csv <<'C'
node,rack,at,hw,sw,saved
1,x,2020-01-01,fan,,
2,x,2020-01-04,,crash,
1,x,2020-01-11,,crash,moved
3,y,2020-01-20,fan,,
C
printf 'node,rack\n9,x\n8,y\n7,\n' >inventory.csv
cat >grid.yaml <<'Y'
entity: "n{node}"
time: at
grid: {every: 3d, group: rack, after_first: 2d, before_last: 1d, min_records: 2}
attributes: [rack]
failures: {when: {column: hw, given: true}, kind: "{hw}", back: instant}
events: {when: {column: sw, equals: crash}, kind: "{sw}"}
mitigations: {when: {column: saved, given: true}, kind: "{saved}"}
control_share: 0.25
attributes_from: {role: inventory, optional: true, entity: "n{node}", attributes: [rack]}
Y
import --map grid.yaml outage.csv inventory=inventory.csv
expect grid <<'W'
n1 1578009600
n1 1578268800
n1 1578528000
n1 1578700800
n2 1578009600
n2 1578268800
n2 1578528000
n2 1578700800
n3 -
n7 -
n8 -
n9 1578009600
n9 1578268800
n9 1578528000
n9 1578700800
FAIL n1 1577836800 1577836800 fan
FAIL n3 1579478400 1579478400 fan
EVENT n1 1578700800 crash
EVENT n2 1578096000 crash
SAVED n1 1578700800 moved
SHARE 0.25
W
import --map grid.yaml outage.csv
[ "$("$BIN/reseat-info" --json out.h5 | jq -c '[.entities,.rows,.events,.mitigations]')" = "[3,8,2,1]" ] || { echo "import_csv: no inventory" >&2; failed=1; }
sed 's/,moved/,pushed/' outage.csv >pushed.csv
refuse "unknown mitigation" 1 'pushed.csv:4: a mitigation that is neither drained, moved nor control' --map grid.yaml pushed.csv
sed 's/group: rack/group: room/' grid.yaml >room.yaml
refuse "unknown group" 1 'room.yaml:3: grid: group: room: not an attribute of the mapping' --map room.yaml outage.csv

# Complaints.
printf 'm,t,v\n1,2020-01-01,1\n1,2020-13-01,2\n,2020-01-03,3\n1,2020-01-04,x\n1,2020-01-05\n' >bad.csv
printf 'entity: "{m}"\ntime: t\nsignals: [{column: v}]\n' >bad.yaml
refuse "bad rows" 1 'bad.csv:3: t: "2020-13-01": no time' --map bad.yaml bad.csv
import --map bad.yaml --max-bad 4 bad.csv
expect "bad rows allowed" <<'W'
1 1577836800 v=1
W
for want in 'bad.csv:3: t: "2020-13-01"' 'bad.csv:4: no entity' 'bad.csv:5: v: "x": no number' 'bad.csv:6: 2 fields where the header has 3'; do
    grep -qF "$want" import.err || { echo "import_csv: not said: $want" >&2; cat import.err >&2; failed=1; }
done
refuse "limit of bad rows" 1 'at most 2 allowed' --map bad.yaml --max-bad 2 bad.csv
printf 'entity: "{who}"\ntime: t\nsignals: [{column: v}]\n' >long2.yaml
refuse "lacking column" 1 'tele.csv: has no column who, which the mapping names' --map long2.yaml tele.csv
printf 'entity: "{m}"\ntime: t\nsignals: [{column: w}]\n' >signal.yaml
refuse "lacking signal" 1 'has no column w, which the mapping takes as a signal' --map signal.yaml tele.csv
printf 'entity: "{m}"\ntime: t\nsignals: [{match: "q*"}]\n' >signal.yaml
refuse "no signal at all" 1 'tele.csv: no column fits a signal' --map signal.yaml tele.csv
printf 'entity: "{m}"\ntimes: t\n' >typo.yaml
refuse "typo" 1 'typo.yaml:2: times: unknown key; did you mean time?' --map typo.yaml tele.csv
refuse "no such map" 1 'nosuch: no such file, and no mapping of that name' --map nosuch tele.csv
refuse "missing role file" 2 'no file of errors; give errors=FILE' --map roles.yaml tele.csv failures=fail.csv
refuse "unknown role" 2 'has no role error' --map roles.yaml tele.csv error=err.csv
refuse "no data" 2 'no data files' --map roles.yaml errors=err.csv
printf 'm,t,m\n' >twice.csv
refuse "column twice" 1 'twice.csv: the header has the column m twice' --map bad.yaml twice.csv
: >empty.csv
refuse "empty file" 1 'empty.csv: empty' --map bad.yaml empty.csv
refuse "absent file" 1 'absent.csv' --map bad.yaml absent.csv
[ $failed = 0 ] && echo "import csv does as its mapping says"
exit $failed
