#include "sidecar/append/append.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "shm/base/clock.hpp"
#include "sidecar/model/codec.hpp"

namespace ddt::sidecar {
namespace {

constexpr double kMemoryShareMax =
    0.8;  // above it live values are not written: the journal goes first
constexpr std::int64_t kMemoryCheckIntervalNs = 1'000'000'000;
constexpr std::int64_t kSizeCheckIntervalNs = 200'000'000;
constexpr std::int64_t kConfirmIntervalNs = kRedisWordMaxNs / 5;
constexpr std::size_t kAppendedTogetherBytes = 2U << 20;  // no further batch is added beyond

}  // namespace

void Backoff::failed(std::int64_t now_ns) {
  std::uniform_int_distribution<std::int64_t> jitter(wait_ns_ / 2, wait_ns_);
  next_ns_ = now_ns + jitter(random_);
  wait_ns_ = std::min(wait_ns_ * 2, max_ns_);
}

Append::Append(AppendConfig config, BatchQueue& batches, Exchange& exchange)
    : config_(std::move(config)),
      keys_(config_.sidecar_id),
      batches_(batches),
      exchange_(exchange),
      live_(std::make_unique<redis::LiveValues>(redis::LiveKeys(config_.live_prefix))),
      latency_(keys_, redis::LiveKeys(config_.live_prefix)) {}

Result<redis::Positions> Append::connect() {
  writer_.reset();
  live_->forget();
  auto writer = redis::JournalWriter::connect(config_.redis, keys_);
  if (!writer) return writer.error();
  auto positions = writer->acknowledged_positions();
  if (!positions) return positions.error();
  auto journal = redis::JournalReader::connect(config_.redis, keys_);
  if (!journal) return journal.error();
  if (auto begun = latency_.begin(writer->client(), *journal, wall_ns()); !begun)
    return begun.error();
  auto last_id = journal->last_id();
  if (!last_id) return last_id.error();
  last_id_ = std::move(*last_id);
  writer_.emplace(std::move(*writer));
  ++counters_.reconnects;
  if (pending_) erase_appended(pending_->blocks, *positions);
  std::vector<LanePosition> acknowledged = acknowledged_.connected(*positions);
  exchange_.acknowledged.put_all(acknowledged);
  exchange_.acknowledged_for_rollup.put_all(std::move(acknowledged));
  redis_is_confirmed(monotonic_ns());
  return positions;
}

// All that waits: whoever is behind has fewer entries to append, and of many states one to write.
std::optional<Batch> Append::next_batch() {
  std::optional<Batch> batch = batches_.pop();
  while (batch && batch->bytes < kAppendedTogetherBytes) {
    std::optional<Batch> next = batches_.pop();
    if (!next) break;
    batch->bytes += next->bytes;
    std::ranges::move(next->blocks, std::back_inserter(batch->blocks));
  }
  return batch;
}

std::size_t Append::work(std::int64_t now_ns) {
  for (Ended& ended : exchange_.ended.take()) ended_.push_back(std::move(ended));
  if (!pending_) pending_ = next_batch();
  const bool has_live_alone = !ended_.empty() || (!memory_is_short_ && live_->is_due(wall_ns()));
  if (!pending_ && has_live_alone) pending_.emplace();
  if (!backoff_.may_try(now_ns)) return 0;
  if (!writer_) {
    if (auto positions = connect(); !positions) {
      spdlog::warn("append: {}", positions.error().message);
      backoff_.failed(now_ns);
      return 0;
    }
  }
  if (latency_.is_due(wall_ns())) {
    if (auto written = write_latencies(); !written) {
      failed(written.error(), now_ns);
      return 0;
    }
  }
  if (!pending_ || !journal_has_room(now_ns)) {
    confirm(now_ns);
    return 0;
  }
  const std::size_t blocks = pending_->blocks.size();
  if (auto appended = append_pending(now_ns); !appended) {
    failed(appended.error(), now_ns);
    return 0;
  }
  backoff_.succeeded();
  batches_.done(*pending_);
  pending_.reset();
  ended_.clear();
  return blocks;
}

void Append::failed(const Error& error, std::int64_t now_ns) {
  spdlog::warn("append: {} Blocks wait: {}", pending_ ? pending_->blocks.size() : 0, error.message);
  ++counters_.retries;
  backoff_.failed(now_ns);
  live_->forget();
  writer_.reset();
}

void Append::tell_failures(const redis::LiveFailures& failures) {
  if (failures.count == 0) return;
  counters_.live_failures += failures.count;
  spdlog::warn("append: {} live writes failed: {}", failures.count, failures.first);
}

Status Append::fold_latencies(const std::string& entry_id) {
  const auto& blocks = pending_->blocks;
  if (auto loaded = latency_.load(writer_->client(), blocks, wall_ns()); !loaded) return loaded;
  latency_.fold(blocks, entry_id, wall_ns());
  return Done{};
}

Status Append::write_latencies() {
  std::vector<redis::Command> commands = latency_.take(wall_ns());
  // Memory is short: what is not written now is with the next ones, if its minute is still known then.
  if (memory_is_short_) commands.erase(commands.begin(), commands.end() - 1);
  const auto written = writer_->write_together(std::move(commands));
  if (!written && written.error().code == redis::kTransactionRefused) {
    // Memory, a right that is missing: the journal goes on.
    tell_failures({.count = 1, .first = written.error().message});
    return Done{};
  }
  if (!written) return written.error();
  tell_failures(*written);
  return Done{};
}

void Append::finish() {
  if (!writer_ || !latency_.has_news()) return;
  if (auto written = write_latencies(); !written)
    spdlog::warn("append: latencies: {}", written.error().message);  // the next start folds them in
}

void Append::confirm(std::int64_t now_ns) {
  if (now_ns < next_confirm_ns_) return;
  if (auto confirmed = writer_->confirm(); !confirmed) {
    spdlog::warn("append: {}", confirmed.error().message);
    writer_.reset();  // the next connect sees what is left
    return;
  }
  redis_is_confirmed(now_ns);
}

void Append::redis_is_confirmed(std::int64_t now_ns) {
  next_confirm_ns_ = now_ns + kConfirmIntervalNs;
  // Release: what connect() said of a hole is in the mailbox before.
  exchange_.redis_confirmed_at_ns.store(now_ns, std::memory_order_release);
}

bool Append::journal_has_room(std::int64_t now_ns) {
  if (now_ns >= next_size_check_ns_) {
    next_size_check_ns_ = now_ns + kSizeCheckIntervalNs;
    if (const auto bytes = writer_->journal_bytes()) journal_bytes_ = *bytes;
  }
  const bool is_full = journal_bytes_ >= config_.journal_bytes_max;
  if (is_full && !journal_is_full_)
    spdlog::warn("append: the journal is at its limit of {} bytes: the Lanes hold the rest",
                 config_.journal_bytes_max);
  journal_is_full_ = is_full;
  return !is_full;
}

bool Append::may_write_live(std::int64_t now_ns) {
  if (now_ns >= next_memory_check_ns_) {
    next_memory_check_ns_ = now_ns + kMemoryCheckIntervalNs;
    const auto ratio = redis::memory_used_ratio(writer_->client());
    memory_is_short_ = ratio && *ratio > kMemoryShareMax;
  }
  return !memory_is_short_;
}

Status Append::append_pending(std::int64_t now_ns) {
  std::vector<model::LaneName> forgotten = exchange_.forgotten.take();
  if (!forgotten.empty()) {
    if (auto done = writer_->forget(forgotten); !done) {
      exchange_.forgotten.put_all(std::move(forgotten));
      return done.error();
    }
    for (const model::LaneName& lane : forgotten) acknowledged_.forget(lane);
  }
  redis::LivePart live;
  if (may_write_live(now_ns)) {
    live = live_->part(pending_->blocks, wall_ns());
    for (const Ended& ended : ended_) {
      live.commands.push_back(live_->offline(ended.profile_id, ended.script_name,
                                             ended.segment_name, ended.last_seen_ns));
    }
  } else {
    ++counters_.live_skipped;
  }
  if (pending_->blocks.empty() && live.commands.empty()) return Done{};
  std::vector<LanePosition> positions;
  for (const model::Block& block : pending_->blocks) positions.push_back({block.lane, block.to});
  acknowledged_.mark(positions);
  std::string entry =
      pending_->blocks.empty() ? std::string() : model::encode_entry(pending_->blocks);
  const std::size_t entry_bytes = entry.size();
  auto appended = writer_->append(std::move(entry), positions, std::move(live));
  if (!appended) return appended.error();
  tell_failures(appended->live);
  journal_bytes_ += entry_bytes;
  if (entry_bytes > 0) ++counters_.entries;
  acknowledged_.appended(positions);
  exchange_.acknowledged.put_all(positions);
  exchange_.acknowledged_for_rollup.put_all(std::move(positions));
  redis_is_confirmed(now_ns);
  if (!appended->id.empty()) has_appended(std::move(appended->id), entry_bytes);
  return Done{};
}

void Append::has_appended(std::string id, std::size_t bytes) {
  // The entry is in, whatever becomes of this: connect() folds in what is not.
  if (auto folded = fold_latencies(id); !folded) {
    spdlog::warn("append: latencies: {}", folded.error().message);
    writer_.reset();
  }
  for (model::Block& block : pending_->blocks) block.latest_states = {};  // not in the journal
  exchange_.put_recent({.before = std::exchange(last_id_, id),
                                .id = id,
                                .bytes = bytes,
                                .blocks = std::move(pending_->blocks)});
}

}  // namespace ddt::sidecar
