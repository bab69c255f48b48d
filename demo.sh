#!/usr/bin/env bash
# Shows failoverd at work, on loopback: builds it, starts a small cluster with a real ZooKeeper, a
# table of 8 partitions x 3 replicas, one with a single replica and a writer that puts rows all the
# time; kills a tablet with SIGKILL; shows how its partitions get new leaders, in milliseconds;
# starts it again and shows how its replicas come back, until every row is on every replica.
#
#   ./demo.sh                  shows it and stops everything it started
#   ./demo.sh --nameserver     the same beside a nameserver that lives: failoverd stands back until it
#                              takes over, publishes through the nameserver, and gives back at the end
#   ./demo.sh --keep           leaves the cluster running and prints its addresses
#   ./demo.sh --stop DIRECTORY ends a cluster that was kept
#
# Packages that are missing are installed first (tests/packages.txt). BUILD=DIRECTORY builds
# somewhere else than in build; NO_COLOR=1 prints without colours.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
exec </dev/null
# shellcheck source=tests/install.sh
. tests/install.sh
# shellcheck source=tests/demo/processes.sh
. tests/demo/processes.sh

readonly BUILD=${BUILD:-build}
readonly BIN=$BUILD/bin
PROGRAMS=(failoverd failoverctl minitablet fedbtool)
with_nameserver=0
readonly ROOT=/demo_cluster
readonly RATE=100 # Rows a second and partition.

# --- What it looks like ---------------------------------------------------------------------------

bold="" dim="" green="" plain=""
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' plain=$'\e[0m'
fi

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
# shown COMMAND...: an operator's command for failoverctl, and what it prints.
shown() {
  printf '%s  $ failoverctl %s%s\n' "$dim" "$*" "$plain"
  ctl "$@" 2>&1 | sed 's/^./  &/'
  echo
}

# --- Built ----------------------------------------------------------------------------------------

# Where nobody sees ninja's own line: how far it is, every ten seconds, and the rest into build.log.
build_into_log() {
  local line next=$((SECONDS + 10)) status
  exec 3< <(NINJA_STATUS='[%f/%t] ' exec ninja -C "$BUILD" "${PROGRAMS[@]}" 2>&1)
  foreground=$!
  while IFS= read -r line <&3; do
    printf '%s\n' "$line"
    if [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] && ((SECONDS >= next)); then
      say "  ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]} steps built" >&2
      next=$((SECONDS + 10))
    fi
  done >"$BUILD/build.log"
  exec 3<&-
  wait "$foreground"
  status=$?
  foreground=""
  return $status
}

build() {
  local began=$SECONDS
  # What was compiled in one clone is not compiled again in another.
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
  install_missing build run || die "packages are missing"
  if [[ -e $BUILD/CMakeCache.txt ]] &&
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$BUILD/CMakeCache.txt"; then
    rm -rf "$BUILD" # Configured for another place.
  fi
  if [[ ! -e $BUILD/build.ninja ]]; then
    say "building; the first time takes some minutes"
    mkdir -p "$BUILD"
    if ! wait_for_command cmake -S . -B "$BUILD" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
      >"$BUILD/configure.log" 2>&1; then
      cat "$BUILD/configure.log"
      die "it cannot be configured"
    fi
  fi
  if [[ -t 1 ]]; then
    NINJA_STATUS='[%f/%t] ' wait_for_command ninja -C "$BUILD" "${PROGRAMS[@]}" ||
      die "it cannot be built"
  elif ! build_into_log; then
    tail -n 40 "$BUILD/build.log"
    die "it cannot be built"
  fi
  say "built in $((SECONDS - began)) s"
}

# --- A cluster ------------------------------------------------------------------------------------

zookeeper=""    # Its address.
tablets=()      # Endpoints.
server=""       # failoverd's address.
fedbtool() { "$BIN/fedbtool" "$@" "--zk=$zookeeper" "--root=$ROOT"; }
ctl() { "$BIN/failoverctl" --server "$server" "$@"; }

start_zookeeper() {
  local jars=/usr/share/java
  free_port
  zookeeper=127.0.0.1:$REPLY
  mkdir "$dir/zookeeper"
  cat >"$dir/zookeeper/zoo.cfg" <<END
tickTime=200
maxSessionTimeout=60000
dataDir=$dir/zookeeper
clientPort=$REPLY
clientPortAddress=127.0.0.1
admin.enableServer=false
4lw.commands.whitelist=srvr
END
  start zookeeper java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
    -Dzookeeper.jmx.log4j.disable=true -Djava.io.tmpdir="$dir/zookeeper" \
    -cp "$jars/zookeeper.jar:$jars/slf4j-simple.jar" \
    org.apache.zookeeper.server.quorum.QuorumPeerMain "$dir/zookeeper/zoo.cfg"
  wait_until 30 "ZooKeeper serves at $zookeeper" zookeeper_serves
  say "ZooKeeper   $zookeeper"
}

zookeeper_serves() {
  local answer
  answer=$({ exec 3<>"/dev/tcp/${zookeeper/://}" && printf srvr >&3 && timeout 1 cat <&3; } 2>/dev/null)
  [[ $answer == *Mode:* ]]
}

start_tablet() {
  start "tablet$1" "$BIN/minitablet" "--endpoint=${tablets[$1]}" "--zk_cluster=$zookeeper" \
    "--zk_root_path=$ROOT" --zk_session_timeout=2000 --binlog_notify_on_put=true \
    "--db_root_path=$dir/tablet$1"
}

start_tablets() {
  local i
  for i in 0 1 2; do
    free_port
    tablets+=("127.0.0.1:$REPLY")
  done
  for i in 0 1 2; do start_tablet $i; done
  for i in 0 1 2; do
    wait_until 30 "tablet ${tablets[$i]} answers" tablet_answers "${tablets[$i]}"
    say "tablet $i    ${tablets[$i]}"
  done
}

tablet_answers() { "$BIN/fedbtool" status "$1" >/dev/null 2>&1; }

make_tables() {
  local all
  all=$(IFS=,; echo "${tablets[*]}")
  fedbtool create-table flow 8 3 "--endpoints=$all" >/dev/null || die "no table flow"
  fedbtool create-table single 1 1 "--endpoints=${tablets[0]}" >/dev/null || die "no table single"
  say "tables      flow: 8 partitions x 3 replicas; single: 1 x 1, on tablet 0"
}

start_writer() {
  start writer "$BIN/fedbtool" write "--zk=$zookeeper" "--root=$ROOT" "--rate=$RATE" --every=0.2 \
    --partitions "--acked=$dir/acked"
  wait_until 30 "the writer writes" test -s "$dir/acked"
  say "writer      $RATE rows a second into each of the 9 partitions"
}

# Its own automatic failover is on, as shipped: it would wait for a minute before it begins.
nameserver=""
start_nameserver() {
  if [[ -z $nameserver ]]; then
    free_port
    nameserver=127.0.0.1:$REPLY
  fi
  start nameserver "$BIN/mininameserver" "--endpoint=$nameserver" "--zk_cluster=$zookeeper" \
    "--zk_root_path=$ROOT" --zk_session_timeout=2000 --auto_failover=true \
    --system_table_replica_num=0
  say "nameserver  $nameserver"
}

start_failoverd() {
  free_port
  server=http://127.0.0.1:$REPLY
  cat >"$dir/failoverd.yaml" <<END
cluster: {zookeeper: "$zookeeper", root: $ROOT}
listen: {http: "127.0.0.1:$REPLY"}
state_dir: $dir/failoverd
END
  start failoverd "$BIN/failoverd" --config "$dir/failoverd.yaml"
  wait_until 30 "failoverd acts, and every tablet is healthy" failoverd_acts
  say "failoverd   $server"
}

stands_back() {
  ctl status --json | jq -e '.stands_back | any(.text | contains("auto_failover is on"))
                             and all(.text | contains("does not") | not)' >/dev/null
}

# It does not know the terms that were given out since it leads, says failoverd, until it is
# started again.
give_back() {
  shown release --wait --yes
  stop nameserver
  say "the nameserver is started again"
  start_nameserver
  wait_until 30 "the nameserver leads again, and is released to" released
  printf '%s  $ failoverctl release --wait --yes%s\n' "$dim" "$plain"
  sed 's/^./  &/' "$dir/released"
  echo
  shown status
}

released() { ctl release --wait --yes >"$dir/released" 2>&1; }

failoverd_acts() {
  ctl status --json 2>/dev/null |
    jq -e '.active and .ready and .tablets.healthy == 3 and .partitions.healthy == 9' >/dev/null
}

# --- A tablet dies --------------------------------------------------------------------------------

killed=""    # Its endpoint.
killed_ms="" # When.

# led_by ENDPOINT: its partitions as "flow/0 flow/3 single/0".
led_by() {
  ctl showtable --json |
    jq -r --arg tablet "$1" '[.[] | select(.endpoint == $tablet and .role == "leader" and .is_alive)
                              | "\(.name)/\(.pid)"] | join(" ")'
}

kill_tablet() {
  killed=${tablets[0]}
  say "tablet 0 ($killed) leads $(led_by "$killed")"
  # The writer measures from here on.
  kill -USR1 "${pids[writer]}"
  killed_ms=${EPOCHREALTIME/./}
  crash tablet0
  killed_ms=$((killed_ms / 1000))
  wait_until 30 "every partition of flow has a leader" flow_is_led
  wait_until 30 "every row on the dead tablet is marked dead" dead_rows_are_marked
}

flow_is_led() {
  ctl showtable flow --json |
    jq -e --arg dead "$killed" '[.[] | select(.role == "leader" and .is_alive and .endpoint != $dead)]
                                | length == 8' >/dev/null
}

dead_rows_are_marked() {
  ctl showtable --json |
    jq -e --arg dead "$killed" 'all(.[]; .endpoint != $dead or (.is_alive | not))' >/dev/null
}

# From failoverd's events and ops: "milliseconds after the kill, tab, what".
timeline() {
  ctl events --json >"$dir/events.json"
  ctl showopstatus --json >"$dir/ops.json"
  jq -rn --argjson kill "$killed_ms" --arg dead "$killed" \
    --slurpfile events "$dir/events.json" --slurpfile ops "$dir/ops.json" '
    def names: map("\(.fields.table)/\(.fields.pid)") | sort | join(" ");
    def ms(key): .fields[key] | tonumber;
    ($events[0] | map(select(.fields.publish_ms and .time >= $kill))) as $led
    | ($events[0] | map(select(.fields.tablet == $dead and .fields.state == "crashed"
                               and .time >= $kill))[0]) as $verdict
    | ($ops[0] | map(select(.op_type == "kUpdatePartitionStatusOP"))[0]) as $single
    | ($ops[0] | map(select(.op_type == "kOfflineReplicaOP"))) as $followers
    | [ [0, "SIGKILL"],
        [($led | map(.time - ms("publish_ms") - ms("elect_ms") - ms("detect_ms")) | min) - $kill,
         "first sign: failoverd'"'"'s connection to it broke"],
        [$verdict.time - $kill, "detected: \($verdict.text | sub("^[^:]*:[^:]*: "; ""))"],
        [($led | map(.time - ms("publish_ms")) | max) - $kill,
         "elected: \($led | map(.fields.tablet) | unique | length) tablets lead \($led | names) now"],
        [($led | map(.time) | max) - $kill, "published: clients know their new leaders"],
        [($followers | map(.end_time) | max) - $kill,
         "its \($followers | length) followers are marked dead too"],
        [$single.end_time - $kill,
         "single/0 marked dead, now that its znode is gone: nobody else has its rows"] ]
    | map([([.[0] | round, 0] | max), .[1]]) | sort_by(.[0])[] | "\(.[0])\t\(.[1])"'
}

show_timeline() {
  timeline | while IFS=$'\t' read -r at what; do printf '  %6d ms  %s\n' "$at" "$what"; done
}

# --- It returns -----------------------------------------------------------------------------------

started_ms="" # When.

start_it_again() {
  say "tablet 0 ($killed) starts again, with what is on its disk and nothing in memory"
  started_ms=${EPOCHREALTIME/./}
  started_ms=$((started_ms / 1000))
  start_tablet 0
  last_progress=""
  wait_until 60 "every replica is alive again" everything_is_alive
  if [[ -t 1 ]]; then echo; fi
}

everything_is_alive() {
  show_progress
  ctl showtable --json | jq -e 'all(.[]; .is_alive)' >/dev/null && show_progress
}

# One line that is written over and over, or, where nobody watches, one for each change.
last_progress=""
show_progress() {
  local alive ops
  alive=$(ctl showtable --json | jq -r '"\(map(select(.is_alive)) | length) of \(length) replicas alive"')
  ops=$(ctl showopstatus --json |
    jq -r '[.[] | select(.status == "kInited" or .status == "kDoing") | .cur_task // .op_type]
           | group_by(.) | map("\(length) x \(.[0])") | join(", ")')
  if [[ "$alive $ops" == "$last_progress" ]]; then return; fi
  last_progress="$alive $ops"
  if [[ -t 1 ]]; then
    printf '\r\e[K  %s%s' "$alive" "${ops:+: $ops}"
  else
    printf '  %s%s\n' "$alive" "${ops:+: $ops}"
  fi
}

# When the first op of the recovery began and the last one ended, in milliseconds after the start.
recovery_times() {
  ctl showopstatus --json | jq -r --argjson start "$started_ms" '
    map(select(.start_time >= $start))
    | "\((map(.start_time) | min) - $start | round) \((map(.end_time) | max) - $start | round)
       \(length)" | gsub("\\s+"; " ")'
}

show_recovery() {
  local first last count
  read -r first last count < <(recovery_times)
  printf '  %6d ms  registered, and asked what it holds: recovery begins\n' "$first"
  printf '  %6d ms  every replica is alive again, after %d ops\n' "$last" "$count"
}

# --- What the writer saw --------------------------------------------------------------------------

writer_gap="" acked=0 missing=0 lost=0

stop_writer() {
  stop writer
  # Its last line tells of every partition. That of the single replica has nobody to write to.
  writer_gap=$(tail -n 1 "$dir/writer.log" |
    jq '[.partitions[] | select(.table == "flow") | .longest_gap_ms] | max | round')
}

check_rows() {
  local tid text
  tid=$(ctl showtable flow --json | jq '.[0].tid')
  text=$(fedbtool compare --tables=flow,single --within=15) || die "replicas differ: $text"
  say "replica against replica, row by row: $text"
  awk -F'\t' -v tid="$tid" '$1 == tid' "$dir/acked" >"$dir/acked.flow"
  acked=$(wc -l <"$dir/acked.flow")
  text=$(fedbtool compare --tables=flow "--acked=$dir/acked.flow") ||
    missing=$(sed -nE 's/.*looked for, ([0-9]+) times.*/\1/p' <<<"$text")
  missing=$((missing / 3)) # Each is looked for on the three replicas.
  lost=$(curl -sf "$server/metrics" | awk '$1 == "failoverd_lost_entries_total" {print $2}')
  lost=${lost:-0}
  say "flow, $acked acknowledged rows: $missing were on the killed tablet only (replication is asynchronous)"
  ((missing <= lost)) || die "$missing rows are missing, and failoverd counted $lost"
}

# --- The end --------------------------------------------------------------------------------------

# fact FIGURE WORDS...
fact() { printf '  %s%9s%s  %s\n' "$green$bold" "$1" "$plain" "${*:2}"; }

summary() {
  local published detected first last count
  read -r first last count < <(recovery_times)
  published=$(timeline | sed -n 's/\tpublished.*//p')
  detected=$(timeline | sed -n 's/\tdetected.*//p')
  fact "$published ms" "from SIGKILL to new leaders for every partition of flow ($detected ms of them to be sure)"
  fact "$writer_gap ms" "at most without an acknowledged row in a partition of flow"
  fact "$((last - first)) ms" "from the first op to the last of the recovery: $count ops, all 25 replicas alive"
  fact "$missing" "of $acked acknowledged rows lost with the tablet; failoverd counted $lost"
  fact equal "are all replicas, row by row, and every other acknowledged row is on each"
}

print_addresses() {
  cat <<END
ZooKeeper    $zookeeper, root $ROOT
tablets      ${tablets[*]}
failoverd    $server
logs         $dir

  export FAILOVERD_SERVER=$server
  $BIN/failoverctl status
  $BIN/failoverctl events --follow

stop it with
  ./demo.sh --stop $dir
END
}

main() {
  while (($# > 0)); do
    case $1 in
      --keep) keep=1 ;;
      --nameserver) with_nameserver=1 PROGRAMS+=(mininameserver) ;;
      --stop)
        if (($# < 2)); then
          echo "demo.sh: --stop needs the directory that --keep printed" >&2
          exit 2
        fi
        stop_kept "$2"
        exit
        ;;
      -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" && exit 0 ;;
      *) echo "demo.sh: $1 is not known; see ./demo.sh --help" >&2 && exit 2 ;;
    esac
    shift
  done
  trap end_everything EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  trap 'exit 141' PIPE

  title "Packages and programs"
  build

  title "A cluster on loopback"
  make_directory
  start_zookeeper
  start_tablets
  make_tables
  if ((with_nameserver)); then start_nameserver; fi
  start_writer
  start_failoverd

  if ((with_nameserver)); then
    title "Beside a nameserver"
    wait_until 30 "the nameserver leads, and failoverd stands back" stands_back
    shown status
    shown takeover --wait --yes
  fi

  title "Before"
  shown status
  shown showtable
  shown showopstatus

  title "A tablet is killed"
  kill_tablet
  show_timeline

  title "After"
  shown showtable
  shown showopstatus

  title "It returns"
  start_it_again
  show_recovery

  title "Everything is back"
  shown showtable
  shown showopstatus

  if ((with_nameserver)); then
    title "Given back to the nameserver"
    give_back
  fi

  title "The rows"
  stop_writer
  check_rows

  title "Summary"
  summary

  if ((keep)); then
    title "Still running"
    start_writer >/dev/null
    note_pids
    print_addresses
    trap - EXIT
  fi
}

main "$@"
