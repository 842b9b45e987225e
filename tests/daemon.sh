#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# reseatd and its client as whole programs: configuration, telemetry, decisions, restarts, and every bad input with its
# code. Hosts are libvirt's test driver (VMs that can be found and rebooted, not moved) and one that does not answer.
# Every JSON answer is held to docs/openapi.yaml.
set -eu
for tool in curl jq python3; do
    command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
python3 -c 'import yaml' 2>/dev/null || { echo "skipped: python3-yaml is not installed"; exit 77; }
work=$(mktemp -d /tmp/reseat-daemon.XXXXXX)
daemon=
finish() {
    [ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
cd "$work"
export RESEAT_SOCKET=$work/reseatd.sock RESEAT_EXEC_PATH=$BIN NO_COLOR=1
export PATH=$BIN:$PATH TSAN_OPTIONS=suppressions=$SRC/tests/tsan.supp
fail() {
    echo "daemon.sh: $*" >&2
    grep -A 60 -E 'WARNING: ThreadSanitizer|ERROR: |runtime error' reseatd.log >&2 || tail -n 30 reseatd.log >&2 || true
    exit 1
}
say() { echo "daemon: $*"; }

# api METHOD PATH [curl options]: $status and $answer; every JSON answer must fit the document.
api() {
    status=$(curl -sS -o answer -w '%{http_code}' --unix-socket reseatd.sock -X "$1" "http://reseat$2" "${@:3}")
    answer=$(tr -d '\0' <answer)
    case $2 in /healthz | /metrics) ;; *)
        python3 "$SRC/tests/openapi_check.py" "$SRC/docs/openapi.yaml" "$1" "$2" "$status" <answer ||
            fail "$1 $2: $answer" ;;
    esac
}
# refused STATUS CODE WORDS: the last answer was this error.
refused() {
    [ "$status" = "$1" ] || fail "status $status, $1 expected: $answer"
    local code
    code=$(jq -r '.error.code // .errors[0].code' answer)
    [ "$code" = "$2" ] || fail "code $code, $2 expected: $answer"
    [[ $(jq -r '.error.message // .errors[0].message' answer) == *"$3"* ]] || fail "not '$3': $answer"
}
value() { jq -r "$1" answer; }
push() { api POST /v1/telemetry --data-binary "$1"; }
start() {
    reseatd --config reseatd.yaml "$@" 2>>reseatd.log &
    daemon=$!
    for _ in $(seq 600); do
        curl -fs --unix-socket reseatd.sock http://reseat/healthz >/dev/null && return
        kill -0 "$daemon" 2>/dev/null || fail "the daemon did not start"
        sleep 0.1
    done
    fail "the daemon does not answer"
}
stop() {
    kill "${1:--TERM}" "$daemon"
    local code=0
    wait "$daemon" 2>/dev/null || code=$?
    daemon=
    [ "${1:-}" = -KILL ] || [ $code = 0 ] || fail "the daemon ended with $code"
}
# cannot CODE WORDS COMMAND...: the command exits with CODE and says WORDS on stderr.
cannot() {
    local code=0
    "${@:3}" >out 2>err || code=$?
    [ $code = "$1" ] || fail "${*:3}: exit $code, $1 expected: $(cat err)"
    grep -qF -- "$2" err || fail "${*:3}: not '$2': $(cat err)"
}

# Documents and tables say the same.
python3 "$SRC/tests/openapi_check.py" "$SRC/docs/openapi.yaml" routes "$SRC/executor/api.def"
declare -A under=([main]='' [telemetry]=telemetry. [policy]=policy. [migration]=migration. [vm_class]='classes[].'
    [host]='hosts[].' [component]='hosts[].components[].')
while IFS=$'\t' read -r section key default; do
    row=$(grep -F -- "| \`${under[$section]}$key\` |" "$SRC/docs/configuration.md") || fail "configuration.md lacks $section $key"
    case $default in NULL) want=needed ;; '""') want=none ;; *) want="\`${default//\"/}\`" ;; esac
    [[ $row == *"| $want |"* ]] || fail "configuration.md: default of $key is not $want"
done < <(sed -nE 's/^CONFIG\([A-Z]+, (\w+), \w+, "([^"]+)", (NULL|"[^"]*"),.*/\1\t\2\t\3/p' "$SRC/executor/config.def")
while read -r metric; do
    grep -qF -- "| \`$metric\` |" "$SRC/docs/metrics.md" || fail "metrics.md lacks $metric"
done < <(sed -nE 's/^METRIC\([A-Z]+, \w+, "([^"]+)".*/\1/p' "$SRC/executor/metrics.def")
help=$(reseatd --help)
for option in $(grep -oE -- '--[a-z-]+' <<<"$help" | sort -u); do
    grep -qF -- "\`$option" "$SRC/docs/man/reseatd.md" || grep -qF -- "$option" "$SRC/docs/man/reseatd.md" ||
        fail "reseatd.md lacks $option"
done

# The example is in order; mistakes are named by file and line.
reseatd --config "$SRC/packaging/reseatd.yaml" --check-config >/dev/null
reseat check-config "$SRC/packaging/reseatd.yaml" >/dev/null
reseatd --config "$SRC/packaging/reseatd.yaml" --dump-config >dump.yaml
reseat check-config dump.yaml >/dev/null
printf 'socket: /s\npolicy: {blast_shar: 0.5}\n' >typo.yaml
cannot 1 "typo.yaml:2: blast_shar: unknown key; did you mean blast_share?" reseat check-config typo.yaml
cannot 1 "typo.yaml:2: blast_shar: unknown key" reseatd --config typo.yaml
cannot 1 "No such file" reseatd --config absent.yaml
cannot 2 "--frobnicate: no such option" reseatd --frobnicate
say "configuration"

# A small fleet and its model (FLEET and MODEL name others).
if [ -n "${FLEET:-}" ] && [ -n "${MODEL:-}" ]; then
    cp "$FLEET" fleet.h5 && cp "$MODEL" fleet.rsm
else
    reseat simulate --hosts 40 --days 50 --seed 11 --quiet -o fleet.h5 >/dev/null 2>&1
    reseat train fleet.h5 -o fleet.rsm --quiet >/dev/null 2>&1
fi
reseat export fleet.h5 --entity host-0003 --as host-a --end now --quiet >a.ndjson
reseat export fleet.h5 --entity host-0004 --as host-b --end now --quiet >b.ndjson

domain() { # NAME UUID-DIGIT
    echo "<domain type='test'><name>$1</name><uuid>${2}1111111-1111-4111-8111-111111111111</uuid>" \
        "<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>"
}
pool="<pool type='dir'><name>default</name><target><path>$work/pool</path></target></pool>"
echo "<node>$(domain web-1 a)$(domain twin b)$pool</node>" >host-a.xml
echo "<node>$(domain twin c)$pool</node>" >host-b.xml
cat >reseatd.yaml <<Y
state_dir: $work/state
socket: $work/reseatd.sock
model: $work/absent.rsm
telemetry: {unknown_entities: reject}
policy: {blast_share: 1}
hosts:
  - name: host-a
    uri: "test://$work/host-a.xml"
    components: [{id: host-a/disk0}, {id: host-a/dimm0}, {id: host-a/dimm1}, {id: host-a/dimm2}, {id: host-a/nvme0}]
  - {name: host-b, uri: "test://$work/host-b.xml"}
  - {name: spare}
Y

# Without a model: alive, not ready, risks unknown.
start
api GET /healthz && [ "$status$answer" = 200ok ] || fail "healthz: $status $answer"
api GET /readyz
[ "$status" = 503 ] && [ "$(value .checks.model.ok)" = false ] || fail "readyz: $answer"
api GET /v1/hosts
[ "$(value '[.hosts[].risk] | unique | tostring')" = '[null]' ] || fail "hosts: $answer"
push "$(head -n 1 a.ndjson)" && refused 422 no-data "no model is loaded"
api GET /v1/model && refused 422 no-data "no model"
api GET /v1/drift && refused 422 no-data "no model is loaded"
api GET /metrics && grep -q '^reseat_model_drift{of="risk"} NaN$' answer || fail "metrics: $answer"
# The model comes, and a reload takes it up.
sed -i "s|absent.rsm|fleet.rsm|" reseatd.yaml
kill -HUP "$daemon"
for _ in $(seq 100); do
    api GET /readyz && [ "$status" = 200 ] && break
    sleep 0.1
done
[ "$status" = 200 ] || fail "not ready after SIGHUP: $answer"
api GET /v1/model && [ "$(value .learner)" != null ] || fail "model: $answer"
say "reload"

# Telemetry: what is known is taken, row by row.
cat a.ndjson b.ndjson >ab.ndjson
api POST /v1/telemetry --data-binary @ab.ndjson
[ "$status" = 200 ] && [ "$(value .accepted)" -gt 70 ] || fail "push: $answer"
api GET /v1/hosts/host-a
[ "$(value '.own_risk > 0 and .own_risk < 1 and .risk >= .own_risk')" = true ] || fail "risk: $answer"
[ "$(value '.explanation | (.base + .others + ([.features[].log_odds] | add) - .log_odds) | fabs < 1e-9')" = true ] ||
    fail "explanation does not add up: $answer"
[ "$(value '(.own_risk / (1 - .own_risk) | log) - .explanation.log_odds | fabs < 1e-9')" = true ] ||
    fail "explanation is not of the risk: $answer"
risk=$(value '.own_risk')
row() { echo "{\"entity\":\"$1\",\"time\":${2:-$(date +%s)},\"signals\":{\"cpu_temp_c\":${3:-50}}}"; }
push "$(row nowhere)" && refused 404 unknown-host "entity nowhere: not in the configuration"
push "$(row host-a $(($(date +%s) + 9999)))" && refused 422 future-sample "and it is"
push "$(row host-a 1000000000)" && refused 409 late-sample "its newest is of"
push "$(row host-a '' NaN)" && refused 422 format "not JSON"
push "$(row host-a '' 1e308)" && refused 400 domain "signal cpu_temp_c"
push "$(row host-a '' '"hot"')" && refused 400 invalid "a number or null is wanted"
push "" && refused 422 format "the body is empty"
push "$(row nowhere; row spare)"
[ "$status" = 200 ] && [ "$(value '"\(.accepted) \(.rejected) \(.errors[0].line)"')" = "1 1 1" ] || fail "mixed: $answer"
push '{"entity":"spare","time":'"$(($(date +%s) + 1))"',"signals":{"no_such_signal":1}}'
[ "$(value .unknown_signals)" = 1 ] || fail "unknown signal: $answer"
api GET /v1/hosts/host-a && [ "$(value .own_risk)" = "$risk" ] || fail "a refused row changed the risk"
head -c 17000000 /dev/zero >big && api POST /v1/telemetry --data-binary @big && refused 413 too-large "at most 16777216 are taken"
api GET /v1/hosts/nowhere && refused 404 unknown-host "nowhere: no such host or component"
api POST /v1/telemetry --data-binary '{"entity":"host-a","time":'"$(date +%s)"',"event":"explosion"}' &&
    refused 400 invalid "failure, failure/KIND, repair, maintenance/KIND or event/KIND is wanted"
push '{"entity":"spare","time":'"$(date +%s)"',"event":"event/nobody-knows-it"}'
[ "$status" = 200 ] && [ "$(value .ignored_events)" = 1 ] || fail "an unknown event: $answer"
say "telemetry"

# Drift: a fleet of few is judged with care; each signal of the model is there.
api GET /v1/drift
[ "$status" = 200 ] && [ "$(value '.entities >= 3 and .oldest_sample != null and .risk.name == "risk"')" = true ] ||
    fail "drift: $answer"
[ "$(value '.signals | length')" = "$(reseat dump fleet.rsm --json | jq '.signals | length')" ] || fail "drift: $answer"
found=$(value '[.signals[] | select(.moved or .missing_changed)] | length')
api GET /metrics && grep -q "^reseat_model_drifted_signals $found\$" answer || fail "metrics of drift: $answer"
grep -qE '^reseat_model_drift\{of="signal"\} [0-9]' answer || fail "metrics of drift: $answer"

# A model that no training saw: the parent cohort speaks, and says so.
push '{"entity":"spare","time":'"$(($(date +%s) + 2))"',"signals":{},"attributes":{"model":"WUH999999NEW"}}'
[ "$(value .accepted)" = 1 ] || fail "push: $answer"
api GET /v1/hosts/spare && [ "$(value '"\(.fallback) \(.cohort)"')" = "model all" ] || fail "fallback: $answer"
api GET /v1/hosts/host-a && [ "$(value .fallback)" = null ] || fail "fallback: $answer"
reseat hosts >out && grep -q '^spare .*all (unseen model)' out || fail "reseat hosts: $(cat out)"
reseat hosts spare >out && grep -q 'no training saw its model' out || fail "reseat hosts spare: $(cat out)"
say "drift"

# Routes and parameters.
api GET /v1/nothing && refused 404 not-found "no such route"
api DELETE /v1/hosts && refused 405 unsupported "GET is what it takes"
api GET '/v1/hosts?limit=0' && refused 400 invalid "limit=0: a whole number of 1 to"
api GET '/v1/hosts?limt=3' && refused 400 invalid "limt: no such query parameter"
api GET '/v1/hosts?limit=1&after=host-a' && [ "$(value '.hosts[0].id')" = host-b ] || fail "paging: $answer"
api GET /v1/decisions/d-000099 && refused 404 not-found "d-000099: no such decision"
api GET /v1/migrations/m-000001 && refused 404 not-found "no such migration"
api POST /v1/migrations/m-000001/cancel && refused 404 not-found "no such migration"

# Reboots: found, decided, journaled, done or not.
api POST /v1/reboots -d '{"vm":"nope"}' && refused 404 unknown-vm "nope"
api POST /v1/reboots -d '{"vm":"twin"}' && refused 409 ambiguous "name it by its UUID"
api POST /v1/reboots -d '{"vn":"web-1"}' && refused 400 invalid "vm, cause, dry_run, approved, deadline_s are possible"
api POST /v1/reboots -d '{"vm":"web-1","deadline_s":"soon"}' && refused 400 invalid "deadline_s"
api POST /v1/reboots -d 'please' && refused 422 format "not JSON"
api POST /v1/reboots -d '{"vm":"web-1","dry_run":true,"cause":"update"}'
[ "$status" = 202 ] && [ "$(value '.decision | "\(.outcome) \(.dry_run) \(.cause) \(.uid)"')" = "stay true update $(id -u)" ] ||
    fail "dry run: $answer"
[ "$(value '.decision.p_source == null')" = false ] || fail "the source's risk is unknown: $answer"
api POST /v1/reboots -d '{"vm":"c1111111-1111-4111-8111-111111111111"}'
[ "$status" = 202 ] && [ "$(value '.decision | "\(.vm) \(.source) \(.id)"')" = "twin host-b d-000002" ] || fail "by UUID: $answer"
[ "$(value .migration)" = null ] || fail "stay, and a migration: $answer"
api GET '/v1/decisions?vm=twin' && [ "$(value '.decisions | length')" = 1 ] || fail "decisions of twin: $answer"
api GET '/v1/decisions?before=d-000002' && [ "$(value '.decisions[0].id')" = d-000001 ] || fail "before: $answer"
api GET /v1/decisions/d-000002 && [ "$(value .vm)" = twin ] || fail "decision: $answer"
say "reboots"

# The client.
reseat hosts >out && grep -q '^host-a ' out || fail "reseat hosts: $(cat out)"
reseat hosts host-a >out && grep -q 'log odds' out || fail "reseat hosts host-a: $(cat out)"
[ "$(reseat hosts --json | jq '.hosts | length')" = 3 ] || fail "reseat hosts --json"
reseat reboot web-1 --dry-run >out && grep -q 'Dry run: nothing was touched' out || fail "reseat reboot: $(cat out)"
! grep -q $'\033' out || fail "colours in a file"
[ "$(reseat reboot web-1 --wait --json | jq -r .decision.outcome)" = stay ] || fail "reseat reboot --json"
reseat decisions --limit 2 >out && [ "$(wc -l <out)" = 3 ] || fail "reseat decisions: $(cat out)"
reseat decisions d-000001 >out && grep -q 'fit' out || fail "reseat decisions d-000001: $(cat out)"
[ "$(reseat decisions --json --vm twin | jq -r '.decisions[].vm')" = twin ] || fail "reseat decisions --vm"
[ "$(reseat decisions --json --before d-000002 | jq -r '.decisions[0].id')" = d-000001 ] || fail "reseat decisions --before"
reseat migrations >out || fail "reseat migrations"
cannot 1 "reseat reboot: no host has a VM nope" reseat reboot nope
cannot 2 "one VM is wanted" reseat reboot
cannot 2 "reseat: frobnicate: no such verb" reseat frobnicate
cannot 1 "nobody answers" reseat hosts --socket "$work/none.sock"
cannot 1 "no such migration" reseat migrations m-000042 --cancel
cannot 2 "--cancel: name the migration" reseat migrations --cancel
cannot 2 "d-000002: one decision at most" reseat decisions d-000001 d-000002
cannot 2 "b: one host at most" reseat hosts a b
cannot 1 "a/b c&d: no such host" reseat hosts "a/b c&d"
cannot 1 "another reseatd works in this state_dir" reseatd --config reseatd.yaml
say "client"

# What was acknowledged survives kill -9, and a stop.
stop -KILL
start
api GET /v1/hosts/host-a && [ "$(value .own_risk)" = "$risk" ] || fail "the risk after kill -9: $answer"
api GET /v1/decisions && [ "$(value '.decisions | length')" -ge 4 ] || fail "decisions after kill -9: $answer"
api GET /metrics && grep -q '^reseat_model_loaded 1$' answer || fail "metrics: $answer"
grep -q '^reseat_hosts{risk="known"} 3$' answer || fail "metrics: $answer"

# A reload that fails leaves everything as it was: a newer model, a mistake in the file, hosts that changed.
cp fleet.rsm good.rsm
python3 - <<'PYTHON'
import struct, zlib
b = bytearray(open("good.rsm", "rb").read())
struct.pack_into("<I", b, 8, 99)  # docs/model-format.md: magic, version, ...
struct.pack_into("<I", b, len(b) - 4, zlib.crc32(bytes(b[:-4])))
open("newer.rsm", "wb").write(b)
PYTHON
reload_refused() { # WORDS
    kill -HUP "$daemon"
    for _ in $(seq 100); do
        grep ev=reload_refused reseatd.log | grep -qF -- "$1" && break
        sleep 0.1
    done
    grep ev=reload_refused reseatd.log | grep -qF -- "$1" || fail "no refusal with '$1'"
    api GET /v1/hosts/host-a && [ "$(value .own_risk)" = "$risk" ] || fail "the refused reload changed the risk"
}
cp reseatd.yaml good.yaml
sed -i 's|fleet.rsm|newer.rsm|' reseatd.yaml
reload_refused "version 99"
echo 'dry_rum: true' >>reseatd.yaml
reload_refused "dry_rum: unknown key; did you mean dry_run?"
sed 's|name: spare|name: other|' good.yaml >reseatd.yaml
reload_refused "change only with a restart"
cp good.yaml reseatd.yaml
stop
[ ! -e reseatd.sock ] || fail "the socket is left"
sed -i 's|fleet.rsm|newer.rsm|' reseatd.yaml
cannot 1 "newer.rsm: version 99, this program reads up to" reseatd --config reseatd.yaml
cannot 1 "version 99" reseatd --config reseatd.yaml --check-config
say "restarts and refused reloads"

# A hypervisor that does not answer: named, and no VM is said to be unknown while it may be there.
sed "s|test://$work/host-b.xml|qemu+unix:///system?socket=$work/none|" good.yaml >reseatd.yaml
start --dry-run
api POST /v1/reboots -d '{"vm":"nope"}' && refused 503 unreachable "host-b"
api GET /readyz && [ "$(value '.checks.hosts.unreachable[0].host')" = host-b ] || fail "readyz: $answer"
api GET /v1/hosts/host-b && [ "$(value .hypervisor.reachable)" = false ] || fail "host-b: $answer"
api POST /v1/reboots -d '{"vm":"web-1"}' && [ "$(value .decision.dry_run)" = true ] || fail "daemon-wide dry run: $answer"
stop -INT
! grep -E 'Sanitizer|runtime error' reseatd.log || fail "a sanitizer's report"
say "unreachable hypervisor"
