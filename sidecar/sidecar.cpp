#include "sidecar/sidecar.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "shm/base/clock.hpp"
#include "sidecar/status.hpp"
#include "sql/migrator.hpp"

namespace ddt::sidecar {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kNapNs = 5'000'000;  // at most, of a drain that has found nothing
// The drain rings; without it Redis is asked for its word this often.
constexpr milliseconds kAppendNap{100};
constexpr milliseconds kFiguresNap{250};        // they look for work twice a second
constexpr milliseconds kFiguresBehindNap{500};  // both write to one MySQL: the facts go first
// Times as long as they worked: while facts come, and at leisure.
constexpr std::int64_t kFiguresRest = 10, kFiguresRestAtLeisure = 2;
constexpr milliseconds kFiguresRestMax{500};
constexpr double kBehindS = 1;
constexpr std::int64_t kStatusIntervalNs = 1'000'000'000;
constexpr std::int64_t kStoreRetryMs = 500;

FileDescriptor lock_directory(const std::string& directory) {
  if (auto prepared = prepare_telemetry_directory(directory); !prepared)
    throw StartupError(prepared.error().message);
  const std::string path = directory + "/.sidecar.lock";
  FileDescriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) throw StartupError(last_error("open " + path).message);
  if (!try_lock(lock.get())) throw StartupError("another sidecar serves " + directory);
  return lock;
}

// As `top -H` and /proc/PID/task/*/comm show it: up to 15 bytes.
void name_thread(const char* name) { ::prctl(PR_SET_NAME, name, 0UL, 0UL, 0UL); }

// Every Segment costs a descriptor.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Sidecar::Sidecar(SidecarConfig config)
    : config_(std::move(config)),
      lock_(lock_directory(config_.drain.directory)),
      batches_(config_.queue_bytes_max),
      append_(config_.append, batches_, exchange_),
      rollup_(config_.rollup, exchange_),
      figures_({.mysql = config_.rollup.mysql, .interval_ms = config_.figures_interval_ms}),
      lane_board_(redis::SidecarKeys(config_.append.sidecar_id).lanes) {
  raise_file_limit();
}

Sidecar::~Sidecar() = default;

bool Sidecar::run(const StopWait& wait_for_stop) {
  if (!wait_for_stores(wait_for_stop))
    return true;  // asked to stop before there was anything to do
  start_threads();
  spdlog::info("sidecar {} serves {}", config_.append.sidecar_id, config_.drain.directory);
  while (!wait_for_stop(1'000)) {
  }
  return stop_threads();
}

// ── start ────────────────────────────────────────────────────────────────────────────────────────────

bool Sidecar::wait_for_stores(const StopWait& wait_for_stop) {
  const auto retry = [&](const char* what, auto attempt) {
    std::string said;
    while (true) {
      const Status done = attempt();
      if (done) return true;
      if (!done.error().is_retryable)
        throw StartupError(std::string(what) + ": " + done.error().message);
      if (done.error().message != said)
        spdlog::warn("waiting for {}: {}", what, done.error().message);
      said = done.error().message;
      if (wait_for_stop(kStoreRetryMs)) return false;
    }
  };
  const bool has_mysql = retry("MySQL", [&]() -> Status {
    if (auto made = sql::create_database_if_missing(config_.rollup.mysql); !made) return made;
    auto mysql = sql::Connection::connect(config_.rollup.mysql);
    if (!mysql) return mysql.error();
    if (auto migrated = sql::migrate(*mysql); !migrated) return migrated;
    auto version = sql::schema_version(*mysql);
    if (!version) return version.error();
    schema_version_ = *version;
    return rollup_.connect_mysql();
  });
  if (!has_mysql) return false;
  return retry("Redis", [&]() -> Status {
    auto client = redis::Client::connect(config_.append.redis);
    if (!client) return client.error();
    auto check = redis::check_server(*client);
    if (!check) return check.error();
    if (!check->problems.empty()) throw StartupError(check->problems);
    for (const std::string& warning : check->warnings) spdlog::warn("{}", warning);
    if (auto known =
            client->run({"SADD", std::string(redis::kSidecarsKey), config_.append.sidecar_id});
        !known) {
      return known.error();
    }
    auto positions = append_.connect();
    if (!positions) return positions.error();
    acknowledged_ = std::move(*positions);
    return Done{};
  });
}

void Sidecar::start_threads() {
  std::map<model::LaneName, StartPosition> starts;
  for (const auto& [lane, held] : acknowledged_) {
    starts[lane].acknowledged = held.position;
    starts[lane].forgotten_to = held.forgotten_to;
  }
  for (const auto& [lane, committed] : rollup_.committed()) {
    starts[lane].committed = committed.position;
    starts[lane].committed_published = committed.published();
  }
  drain_ = std::make_unique<Drain>(config_.drain, std::move(starts), batches_, exchange_);
  figures_thread_ = std::thread([this] { figures_loop(); });
  rollup_thread_ = std::thread([this] { rollup_loop(); });
  append_thread_ = std::thread([this] { append_loop(); });
  drain_thread_ = std::thread([this] { drain_loop(); });
}

// ── stop: sources first ──────────────────────────────────────────────────────────────────────────────

bool Sidecar::stop_threads() {
  drain_stops_ = true;
  drain_thread_.join();
  append_stops_ = true;
  append_bell_.ring();
  append_thread_.join();
  rollup_stops_ = true;
  exchange_.rollup_bell.ring();
  rollup_thread_.join();
  figures_stops_ = true;
  figures_thread_.join();
  const bool all_stored = drained_ && appended_ && rolled_up_;
  if (!all_stored)
    spdlog::warn("stopped before everything was in MySQL: Lanes and journal hold the rest");
  return all_stored;
}

// ── threads ──────────────────────────────────────────────────────────────────────────────────────────

void Sidecar::lower_timer_slack() const { ::prctl(PR_SET_TIMERSLACK, 1'000UL, 0UL, 0UL, 0UL); }

void Sidecar::drain_loop() {
  name_thread("drain");
  lower_timer_slack();
  std::int64_t flush_at_ns = 0;
  while (!drain_stops_) {
    const std::int64_t begin_ns = monotonic_ns();
    const std::size_t records = drain_->work(begin_ns);
    records_ = drain_->counters().records;
    durability_is_redis_ = drain_->durability_is_redis();
    if (batches_.bytes() > 0) append_bell_.ring();
    if (begin_ns >= flush_at_ns) flush_at_ns = begin_ns + config_.drain.flush_interval_ns;
    if (records > 0) continue;
    // Up at the moment the next Blocks are due: whoever waits for them waits for us.
    const std::int64_t nap_ns = std::min(kNapNs, flush_at_ns - monotonic_ns());
    if (nap_ns > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(nap_ns));
  }
  const std::int64_t deadline = monotonic_ns() + config_.shutdown_ms * 1'000'000;
  while (monotonic_ns() < deadline) {
    if (drain_->work(monotonic_ns()) == 0 && drain_->flush(monotonic_ns())) {
      drained_ = true;
      return;
    }
    append_bell_.ring();
    std::this_thread::sleep_for(std::chrono::nanoseconds(kNapNs));
  }
}

void Sidecar::append_loop() {
  name_thread("append");
  const auto is_done = [&] { return batches_.bytes() == 0 && !append_.has_pending(); };
  std::int64_t deadline = 0;
  while (true) {
    const std::int64_t now = monotonic_ns();
    const bool has_work = !is_done();
    if (!has_work) append_waits_since_ns_ = 0;
    if (has_work && append_waits_since_ns_ == 0) append_waits_since_ns_ = now;
    const std::size_t blocks = append_.work(now);
    if (blocks > 0) append_waits_since_ns_ = 0;
    entries_ = append_.counters().entries;
    if (append_stops_ && deadline == 0) deadline = now + config_.shutdown_ms * 1'000'000;
    if (append_stops_ && (is_done() || now >= deadline)) break;
    if (blocks == 0) append_bell_.wait_for(kAppendNap);
  }
  append_.finish();
  appended_ = is_done();
}

// One transaction an interval: each locks, reads and writes a row per Lane and Window, however little it has
// to say. What piles up, and what somebody waits for, goes at once.
void Sidecar::rollup_loop() {
  name_thread("rollup");
  const std::int64_t interval_ns = config_.rollup_interval_ms * 1'000'000;
  std::int64_t next_status_ns = 0, deadline = 0;
  while (true) {
    const std::int64_t now = monotonic_ns();
    const std::size_t blocks = rollup_.work(now);
    const bool goes_on = rollup_.has_more() || (blocks > 0 && rollup_stops_);
    rollup_is_behind_ = rollup_.lag_s(wall_ns()) > kBehindS;
    rollup_stores_ = blocks > 0;
    if (now >= next_status_ns) {
      write_lanes();
      write_status();
      next_status_ns = now + kStatusIntervalNs;
    }
    if (rollup_stops_ && deadline == 0) deadline = now + config_.shutdown_ms * 1'000'000;
    if (rollup_stops_ && (rollup_.is_settled() || now >= deadline)) break;
    if (goes_on) continue;
    const std::int64_t rest_ns = now + interval_ns - monotonic_ns();
    exchange_.rollup_bell.wait_for(milliseconds(std::max<std::int64_t>(rest_ns / 1'000'000, 1)));
  }
  rolled_up_ = rollup_.is_settled();
  write_status();
}

void Sidecar::figures_loop() {
  name_thread("figures");
  std::int64_t deadline = 0;
  while (true) {
    const std::int64_t now = monotonic_ns();
    if (figures_stops_ && deadline == 0) {
      deadline = now + (rolled_up_ ? config_.shutdown_ms * 1'000'000 : 1);  // else MySQL is away
      figures_.hurry();
    }
    const std::size_t windows = figures_.work(now, wall_ns());
    if (figures_stops_ && (figures_.is_settled() || now >= deadline)) break;
    if (windows == 0) std::this_thread::sleep_for(kFiguresNap);
    if (figures_stops_) continue;
    const std::int64_t times = rollup_stores_ ? kFiguresRest : kFiguresRestAtLeisure;
    const std::chrono::nanoseconds rest((monotonic_ns() - now) * times);
    if (rollup_is_behind_) std::this_thread::sleep_for(kFiguresBehindNap);
    if (windows > 0)
      std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(rest, kFiguresRestMax));
  }
  // What is stale stays so in MySQL: the next start computes it.
  if (!figures_.is_settled()) spdlog::warn("stopped before all figures were computed");
}

// For ddt-top; also while MySQL is away, which is when somebody looks.
void Sidecar::write_lanes() {
  redis::JournalReader* journal = rollup_.journal();
  if (journal == nullptr || !journal->is_open()) return lane_board_.forget();
  redis::LaneWords words;
  words.at_ns = wall_ns();
  words.refused_segments = exchange_.refused_segments();
  const auto views = exchange_.views();
  for (const LaneView& view : *views) {
    words.lanes[view.lane] = {.drained = view.drained,
                              .acknowledged = view.acknowledged,
                              .committed = view.committed,
                              .quarantine_reason = view.quarantine_reason};
  }
  const bool says_all = lane_board_.is_fresh();
  const auto said = journal->client().run_all(lane_board_.commands_for(words));
  const bool redis_had_it = said && said->front().integer == 1;
  const auto failed = [](const redis::Reply& reply) { return reply.is_error(); };
  if (!said || std::ranges::any_of(*said, failed) || (!says_all && !redis_had_it))
    lane_board_.forget();  // all of it in a second
}

void Sidecar::write_status() {
  redis::JournalReader* journal = rollup_.journal();
  sql::Connection* mysql = rollup_.mysql();
  if (journal == nullptr || !journal->is_open() || mysql == nullptr || !mysql->is_open()) return;
  const auto sums = read_ledger(*mysql, config_.rollup.sidecar_id);
  if (!sums) return;
  const auto shared_views = exchange_.views();
  const LaneViews& views = *shared_views;
  StatusReport report;
  report.sidecar_id = config_.rollup.sidecar_id;
  report.version = std::string(sql::binary_version());
  report.schema_version = schema_version_;
  report.durability = durability_is_redis_ ? "redis" : "mysql";
  report.ledger = ledger_of(*sums, rollup_.committed(), views);
  report.now_ns = wall_ns();
  std::set<std::string> segments;
  for (const LaneView& view : views) {
    segments.insert(view.segment_name);
    if (view.quarantine_reason.empty()) continue;
    if (++report.quarantined <= kQuarantinesShown) report.quarantined_lanes.push_back(view);
  }
  report.segments = segments.size();
  report.lanes = views.size();
  const std::int64_t waits_since = append_waits_since_ns_;
  report.append_lag_s =
      waits_since == 0 ? 0 : static_cast<double>(monotonic_ns() - waits_since) / 1e9;
  report.rollup_lag_s = rollup_.lag_s(report.now_ns);
  report.records = records_;
  report.entries = entries_;
  report.transactions = rollup_.counters().transactions;
  report.retries = rollup_.counters().retries;
  report.fills = rollup_.counters().fills;
  report.stale_windows = figures_.stale_windows();
  const redis::SidecarKeys keys(config_.rollup.sidecar_id);
  if (auto written = journal->client().run(
          {"SET", keys.status, to_json(report), "EX", std::to_string(redis::kStatusTtlS)});
      !written) {
    spdlog::warn("status: {}", written.error().message);
  }
}

}  // namespace ddt::sidecar
