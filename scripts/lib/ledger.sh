# scripts/lib/ledger.sh — reads the ledger from the API, and asks whether all is in MySQL. Sourced, never run.
# shellcheck shell=bash

ledger_terms=(produced stored dropped rejected lost in_flight residual)

# read_ledger PORT: fills the array `ledger`; fails when the API does not answer with every term.
declare -A ledger=()
read_ledger() {
  local reply term
  reply=$(curl -sS --max-time 5 "http://127.0.0.1:$1/api/v1/health/system" 2>/dev/null) || return 1
  reply=${reply//[[:space:]]/}
  [[ $reply == *'"ledger":{'* ]] || return 1
  reply=${reply##*'"ledger":{'}  # The last is the sum; each sidecar's own stands before it.
  for term in "${ledger_terms[@]}"; do
    [[ $reply =~ \"$term\":(-?[0-9]+) ]] || return 1
    ledger[$term]=${BASH_REMATCH[1]}
  done
}

ledger_line() {
  local term text=''
  for term in "${ledger_terms[@]}"; do text+="$term ${ledger[$term]-?} · "; done
  printf '%s\n' "${text% · }"
}

# ── is all in MySQL? ──────────────────────────────────────────────────────────────────────────────
count_of() { sql "SELECT COUNT(*) FROM $database.$1" 2>/dev/null || printf '1\n'; }

# Segments whose owners have ended and whose every line is committed leave the directory.
segments_left() { find "${telemetry_dir:?}" -maxdepth 1 -type f -name 'seg-*' 2>/dev/null | wc -l; }
lanes_left() { count_of 'dd_lane_positions WHERE retired_at IS NULL'; }
# Figures that do not follow their facts yet; an open Window that does is no debt (dirty 3).
windows_left() { count_of 'dd_window_state WHERE dirty IN (1, 2)'; }

# Everything any Lane has ever said, as MySQL has it.
produced_committed() { sql "SELECT COALESCE(SUM(produced), 0) FROM $database.dd_lane_positions" 2>/dev/null || printf '%s\n' -1; }

# look_for_rest: sets `rest` to what is still to do, '' when nothing is. The ledger that was read must not be
# one from before the end, either: the sidecar writes it once a second.
look_for_rest() {
  local segments lanes windows
  segments=$(segments_left) lanes=$(lanes_left) windows=$(windows_left)
  rest="to do: $segments Segments, $lanes Lanes, $windows Windows"
  if ((segments + lanes + windows == 0 && ledger[in_flight] == 0 && ledger[residual] == 0)) &&
    ((ledger[produced] == $(produced_committed))); then rest=''; fi
}
