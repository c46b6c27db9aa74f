# scripts/lib/build.sh — configures and builds one preset. Sourced, never run.
# shellcheck shell=bash

# As many compilers as there are cores, but no more than fit in memory: one of ours takes up to 1.5 GiB.
build_jobs() {
  local cores memory_kib fit
  cores=$(nproc)
  memory_kib=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  fit=$((memory_kib / (1536 * 1024)))
  ((fit >= 1)) || fit=1
  printf '%s\n' "$((cores < fit ? cores : fit))"
}

# build_preset PRESET [CMAKE OPTION...] [-- TARGET...]: no target means all.
build_preset() {
  local preset=$1 jobs
  shift
  local -a options=() targets=()
  while (($# > 0)); do
    if [[ $1 == -- ]]; then
      shift
      targets=(--target "$@")
      break
    fi
    options+=("$1")
    shift
  done
  jobs=$(build_jobs)
  say "build: preset $preset, $jobs at a time, into build/$preset"
  (
    cd "${root:?}" &&
      cmake --preset "$preset" "${options[@]}" &&
      cmake --build "build/$preset" --parallel "$jobs" "${targets[@]}"
  )
}
