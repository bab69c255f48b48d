# Sourced by demo.sh: starts programs in the background, waits for what is to come true, and ends
# what was started, by process id. Everything lives below $dir, a directory made by make_directory.
# shellcheck shell=bash

keep=0             # Whether what is started outlives the script.
dir=""             # Logs and data of everything that was started.
declare -A pids=() # Of what runs now, by name.
foreground=""      # The process id of what wait_for_command waits for.

say() { printf '%s\n' "$*"; }
die() {
  printf '\ndemo.sh: %s\n' "$*" >&2
  exit 1
}

make_directory() { dir=$(mktemp -d "${TMPDIR:-/tmp}/failoverd-demo.XXXXXX") || die "no directory"; }

# start NAME COMMAND...: runs it in the background with its output in $dir/NAME.log. It dies with
# this script however that ends, unless it is to be kept: then it gets a session of its own.
start() {
  local name=$1 leash=(setpriv --pdeathsig KILL)
  shift
  if ((keep)); then leash=(setsid); fi
  "${leash[@]}" "$@" </dev/null >>"$dir/$name.log" 2>&1 &
  pids[$name]=$!
}

# end_process PID: SIGTERM, and after five seconds SIGKILL. Of what is no child of ours, too.
end_process() {
  local i
  kill -TERM "$1" 2>/dev/null || return 0
  for ((i = 0; i < 100; ++i)); do
    runs "$1" || return 0
    sleep 0.05
  done
  kill -KILL "$1" 2>/dev/null
}

# A child that has ended and was not waited for does not run any more.
runs() {
  local stat
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  [[ ${stat##*) } != [ZX]* ]]
}

# stop NAME: ends it and waits for its end.
stop() {
  local pid=${pids[$1]:-}
  unset "pids[$1]"
  if [[ -z $pid ]]; then return; fi
  end_process "$pid"
  { wait "$pid"; } 2>/dev/null
}

# crash NAME: SIGKILL.
crash() {
  local pid=${pids[$1]}
  unset "pids[$1]"
  kill -KILL "$pid"
  { wait "$pid"; } 2>/dev/null
}

# wait_for_command COMMAND...: runs it so that a signal to this script is heard at once.
wait_for_command() {
  "$@" &
  foreground=$!
  wait "$foreground"
  local status=$?
  foreground=""
  return $status
}

# wait_until SECONDS WHAT COMMAND...: until the command succeeds. Gives up after so long, or when
# something that should run has ended.
wait_until() {
  local what=$2 end=$((SECONDS + $1 + 1)) name
  shift 2
  until "$@"; do
    for name in "${!pids[@]}"; do
      runs "${pids[$name]}" || give_up "$name has ended while waiting for this: $what"
    done
    if ((SECONDS >= end)); then give_up "this did not come true: $what"; fi
    sleep 0.05
  done
}

# With everybody's last words.
give_up() {
  local log
  for log in "$dir"/*.log; do
    printf '\n--- %s\n' "${log##*/}"
    tail -n 10 "$log" | cut -c 1-200
  done >&2
  die "$1"
}

# free_port: sets REPLY to a port of 127.0.0.1 that nobody uses, below those that the kernel gives
# to outgoing connections; never the same twice.
declare -A ports_given=()
free_port() {
  while :; do
    REPLY=$((10000 + RANDOM % 20000))
    if [[ -n ${ports_given[$REPLY]:-} ]]; then continue; fi
    ports_given[$REPLY]=1
    if ! cat /proc/net/tcp* | grep -q ":$(printf %04X "$REPLY") "; then return; fi
  done
}

# The names of what runs: whoever talks to others goes first, ZooKeeper last.
stopping_order() {
  local name
  printf '%s\n' "${!pids[@]}" | grep -v zookeeper | sort
  for name in "${!pids[@]}"; do
    if [[ $name == zookeeper ]]; then echo zookeeper; fi
  done
}

# The signals that end this script go through its EXIT trap.
end_everything() {
  trap '' INT TERM HUP PIPE
  trap - EXIT
  local name
  if [[ -n $foreground ]]; then end_process "$foreground"; fi
  for name in $(stopping_order); do stop "$name"; done
  if [[ -n $dir ]]; then rm -rf "$dir"; fi
}

# What stop_kept needs to know.
note_pids() {
  local name
  for name in $(stopping_order); do echo "$name ${pids[$name]}"; done >"$dir/pids"
}

# stop_kept DIRECTORY: ends a cluster that was left running, and removes its directory. A process
# that does not have the directory on its command line is not ours any more.
stop_kept() {
  local dir=${1%/} name pid
  [[ ${dir##*/} == failoverd-demo.* && -f $dir/pids ]] ||
    die "$dir is not the directory of a cluster that --keep left running"
  while read -r name pid; do
    if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$dir/"; then
      end_process "$pid"
      say "stopped $name ($pid)"
    fi
  done <"$dir/pids"
  rm -rf "$dir"
}
