# scripts/lib/common.sh — words that every script here uses. Sourced, never run.
#
# Errors    say: progress, to stdout. warn: stderr. die: the world failed, exit 1.
#           A wrong option is not die's: scripts collect them all and call wrong_options, exit 2.
# shellcheck shell=bash

# shellcheck disable=SC2034  # used by those who source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() {
  warn "${0##*/}: $*"
  exit 1
}

# wrong_options PROBLEM...: every problem at once, then exit 2.
wrong_options() {
  printf "${0##*/}: %s\n" "$@" >&2
  warn "Try '$0 --help'."
  exit 2
}

# usage_of FILE: the comment block at the top of a script is its help.
usage_of() { sed -n '2,/^$/{s/^# \{0,1\}//p}' "$1"; }

is_integer_between() {  # VALUE LEAST MOST
  [[ $1 =~ ^[0-9]{1,9}$ ]] && ((10#$1 >= $2 && 10#$1 <= $3))
}
