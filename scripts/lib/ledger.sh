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

# Segments whose owners have ended and whose every line is committed leave the directory; until then they lie here.
segments_left() { find "${telemetry_dir:?}" -maxdepth 1 -type f -name 'seg-*' 2>/dev/null | wc -l; }

lanes_left() { sql "SELECT COUNT(*) FROM $database.dd_lane_positions WHERE retired_at IS NULL" 2>/dev/null || printf '1\n'; }

# Everything any Lane has ever said, as MySQL has it.
produced_committed() { sql "SELECT COALESCE(SUM(produced), 0) FROM $database.dd_lane_positions" 2>/dev/null || printf '%s\n' -1; }

# Whether all Lanes have ended and are committed, and the ledger that was read is not one from before that:
# the sidecar writes it once a second.
all_is_stored() {
  ((ledger[in_flight] == 0 && ledger[residual] == 0)) && (($(segments_left) == 0)) && (($(lanes_left) == 0)) &&
    ((ledger[produced] == $(produced_committed)))
}
