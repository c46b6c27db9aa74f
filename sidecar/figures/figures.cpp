#include "sidecar/figures/figures.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <set>

#include "sidecar/figures/write_figures.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kSetAsideNs = 60'000 * kNsPerMs;
constexpr std::int64_t kLooksPerInterval = 4;

}  // namespace

Figures::Figures(FiguresConfig config)
    : config_(std::move(config)), pace_(config_.interval_ms * kNsPerMs) {}

Status Figures::connect() {
  mysql_.reset();
  auto mysql = sql::Connection::connect(config_.mysql);
  if (!mysql) return mysql.error();
  mysql_.emplace(std::move(*mysql));
  return Done{};
}

std::size_t Figures::work(std::int64_t now_ns, std::int64_t wall_now_ns) {
  if (!backoff_.may_try(now_ns)) return 0;
  if (!mysql_ || !mysql_->is_open()) {
    if (auto connected = connect(); !connected) {
      failed({}, connected.error(), now_ns);
      return 0;
    }
  }
  if (due_.empty()) {
    if (auto looked = look(now_ns, wall_now_ns); !looked) {
      failed({}, looked.error(), now_ns);
      return 0;
    }
  }
  if (due_.empty()) return 0;
  const std::vector<StaleWindow> batch = take_batch();
  const auto computed = compute(batch);
  const Status done = computed ? commit(batch, *computed, wall_now_ns) : Status(computed.error());
  if (!done) {
    failed(batch, done.error(), now_ns);
    return 0;
  }
  backoff_.succeeded();
  for (const StaleWindow& window : batch) pace_.computed(window.key, now_ns);
  return batch.size();
}

Status Figures::look(std::int64_t now_ns, std::int64_t wall_now_ns) {
  if (now_ns < next_look_ns_ && !at_once_) return Done{};
  next_look_ns_ = now_ns + config_.interval_ms * kNsPerMs / kLooksPerInterval;
  const auto stale = read_stale_windows(*mysql_, wall_now_ns);
  if (!stale) return stale.error();
  pace_.look(*stale, now_ns);
  due_ = pace_.due(now_ns, at_once_);
  stale_windows_ = pace_.stale_count();
  is_settled_ = at_once_ ? due_.empty() : stale->empty();
  backoff_.succeeded();
  return stale->empty() && !at_once_ ? look_for_missing_states(now_ns) : Done{};
}

// Once after the start, when there is nothing else to do.
Status Figures::look_for_missing_states(std::int64_t now_ns) {
  if (without_state_.is_done()) return Done{};
  const auto marked = without_state_.mark_some(*mysql_);
  if (!marked) return marked.error();
  is_settled_ = without_state_.is_done() && *marked == 0;
  if (!is_settled_) next_look_ns_ = now_ns;
  return Done{};
}

// The Windows of the first one's profile and metric type: longer ones share the hours' reading.
std::vector<StaleWindow> Figures::take_batch() {
  const WindowKey first = due_.front().key;
  std::vector<StaleWindow> batch, rest;
  for (StaleWindow& window : due_) {
    const bool belongs = window.key.profile_id == first.profile_id &&
                         window.key.metric_type == first.metric_type &&
                         batch.size() < config_.windows_max;
    (belongs ? batch : rest).push_back(std::move(window));
  }
  due_ = std::move(rest);
  return batch;
}

void Figures::failed(std::span<const StaleWindow> batch, const Error& error, std::int64_t now_ns) {
  spdlog::warn("figures: {}", error.message);
  if (mysql_ && (!mysql_->is_open() || !mysql_->rollback())) mysql_.reset();
  due_.clear();
  backoff_.failed(now_ns);
  if (error.is_retryable) {
    ++counters_.retries;
    return;
  }
  ++counters_.failed;
  for (const StaleWindow& window : batch) pace_.set_aside(window.key, now_ns + kSetAsideNs);
}

Result<ComputedWindows> Figures::compute(std::span<const StaleWindow> windows) {
  return compute_windows(*mysql_, windows);
}

Status Figures::commit(std::span<const StaleWindow> windows, const ComputedWindows& computed,
                       std::int64_t wall_now_ns) {
  if (auto begun = mysql_->begin(); !begun) return begun;
  if (auto written = write(windows, computed, wall_now_ns); !written) {
    if (mysql_->is_open() && !mysql_->rollback()) mysql_.reset();
    return written;
  }
  if (auto committed = mysql_->commit(); !committed) return committed;
  ++counters_.transactions;
  return Done{};
}

// Hours first. A chain or a signal may lie in several Windows: those outside are marked when the hour of the news is
// computed. A longer Window that already knows the news stays stale until then, so that no reader adds it to one that
// does not.
Status Figures::move_revisions(std::span<const StaleWindow> shown) {
  std::vector<StaleWindow> hours, longer;
  for (const StaleWindow& window : shown)
    (window.key.window.type == model::WindowType::hour ? hours : longer).push_back(window);
  if (auto moved = write_figures_revisions(*mysql_, hours); !moved) return moved;
  for (StaleWindow& window : longer) {
    const bool is_shared =
        window.key.metric_type == "order" || window.key.metric_type == "breakout";
    if (!is_shared || window.stale == Stale::facts) continue;
    const auto has_news = has_hour_with_news(*mysql_, window.key);
    if (!has_news) return has_news.error();
    if (*has_news) window.stale = Stale::neighbour;
  }
  return write_figures_revisions(*mysql_, longer);
}

Status Figures::write(std::span<const StaleWindow> windows, const ComputedWindows& computed,
                      std::int64_t wall_now_ns) {
  std::set<WindowKey> keys = computed.neighbours;
  for (const StaleWindow& window : windows) keys.insert(window.key);
  const auto locked = lock_windows(*mysql_, keys);
  if (!locked) return locked.error();
  std::map<WindowKey, const StaleWindow*> now;
  for (const StaleWindow& window : *locked) now.emplace(window.key, &window);

  std::vector<WindowFigures> figures;
  std::vector<StaleWindow> shown;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const auto found = now.find(windows[i].key);
    if (found == now.end()) continue;
    const StaleWindow& row = *found->second;
    const bool is_news = row.figures_revision < windows[i].revision || row.stale != Stale::current;
    if (row.figures_revision > windows[i].revision || !is_news) {
      ++counters_.outdated;  // another host was faster
      continue;
    }
    figures.push_back({.window = &windows[i], .rows = &computed.rows[i]});
    StaleWindow after = windows[i];
    after.state = computed.states[i];
    if (row.revision != windows[i].revision) {
      after.stale = row.stale;  // changed meanwhile: computed again
    } else {
      const bool has_ended = wall_now_ns >= windows[i].key.window.end_ns;
      after.stale = has_ended ? Stale::current : Stale::open;
    }
    // Made of hours that are marked only now: once more, from what they become.
    const bool is_made_of_hours = windows[i].key.window.type != model::WindowType::hour;
    if (is_made_of_hours && after.stale != Stale::facts &&
        computed.neighbours.contains(windows[i].key))
      after.stale = Stale::neighbour;
    shown.push_back(after);
    now.erase(found);
  }
  if (auto written = write_figures(*mysql_, figures, wall_now_ns); !written) return written;
  if (auto moved = move_revisions(shown); !moved) return moved;

  std::vector<StaleWindow> neighbours;
  for (const auto& [key, row] : now) {
    if (computed.neighbours.contains(key)) neighbours.push_back(*row);
  }
  if (auto marked = mark_neighbours(*mysql_, neighbours); !marked) return marked;
  counters_.windows += figures.size();
  counters_.neighbours += neighbours.size();
  return Done{};
}

}  // namespace ddt::sidecar
