# scripts/lib/processes.sh — starts, watches and stops the processes of one data directory. Sourced, never run.
#
# The caller works in the data directory, $data, and so does every process: socket paths stay relative (the
# kernel allows them 107 bytes). Each has a session of its own, so that Ctrl-C reaches only the script, which
# stops them in order; a log in log/NAME.log; and its pid in run/NAME.pid. A pid file is believed only while
# that pid still works inside this data directory: one left by a killed run or a reboot harms nobody.
# shellcheck shell=bash

# Stopped in this order, started in the reverse one.
process_names=(replay sidecar api redis mariadb)

pid_of() { cat "${data:?}/run/$1.pid" 2>/dev/null || true; }

is_running() {  # NAME
  local pid where
  pid=$(pid_of "$1")
  [[ $pid =~ ^[0-9]+$ ]] || return 1
  # A zombie has no working directory any more.
  where=$(readlink "/proc/$pid/cwd" 2>/dev/null) || return 1
  [[ $where == "$data" || $where == "$data"/* ]]
}

# start_process NAME COMMAND...: 9 is the script's lock, which must not outlive it.
start_process() {
  local name=$1
  shift
  setsid "$@" >>"log/$name.log" 2>&1 </dev/null 9>&- &
  printf '%s\n' "$!" >"$data/run/$name.pid"
}

# pause SECONDS: unlike a plain sleep, a signal ends it at once.
pause() {
  sleep "$1" 9>&- &
  wait $! || true
}

# wait_until SECONDS NAME COMMAND...: until COMMAND succeeds; fails when the time is over or NAME has ended.
wait_until() {
  local deadline=$((SECONDS + $1)) name=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    is_running "$name" || return 1
    ((SECONDS < deadline)) || return 1
    pause 0.1
  done
}

# stop_process NAME SECONDS: SIGTERM, and SIGKILL to its whole session when it has not ended by then.
stop_process() {
  local name=$1 deadline=$((SECONDS + $2)) pid status=0
  pid=$(pid_of "$name")
  if is_running "$name"; then
    kill -TERM "$pid" 2>/dev/null || true
    while is_running "$name" && ((SECONDS < deadline)); do sleep 0.05 9>&-; done
    if is_running "$name"; then
      warn "$name did not stop within $2 s and was killed"
      status=1
    fi
  fi
  # The session's remains, if any: replay's bots, when their parent died before it could stop them.
  if [[ -n $pid ]] && session_is_ours "$pid"; then kill -KILL -- "-$pid" 2>/dev/null || true; fi
  rm -f "$data/run/$name.pid"
  return "$status"
}

# Whether processes of session PID still work in this data directory.
session_is_ours() {
  local stat pid fields group where
  for stat in /proc/[0-9]*/stat; do
    fields=$(cat "$stat" 2>/dev/null) || continue
    pid=${stat#/proc/} pid=${pid%/stat}
    read -r _ _ group _ <<<"${fields##*) }"
    [[ $group == "$1" ]] || continue
    where=$(readlink "/proc/$pid/cwd" 2>/dev/null) || continue
    if [[ $where == "$data" || $where == "$data"/* ]]; then return 0; fi
  done
  return 1
}

# What a dead or unready process said last.
tail_of_log() {
  warn "--- the end of $data/log/$1.log"
  tail -n 15 "$data/log/$1.log" >&2 2>/dev/null || true
  warn "---"
}

# Each start gets fresh logs; the ones before are kept once.
turn_logs() {
  local name
  for name in "${process_names[@]}"; do
    if [[ -e $data/log/$name.log ]]; then mv -f "$data/log/$name.log" "$data/log/$name.log.1"; fi
  done
}
