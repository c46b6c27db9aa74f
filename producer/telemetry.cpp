// The slow side of Telemetry: Segments, Lanes of threads that come and go, forks.
#include "ddt/telemetry.hpp"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <mutex>
#include <vector>

#include "shm/segment.hpp"

namespace ddt {
namespace detail {

// One process's Segment and its Lanes. Outlives the Telemetry while a thread still holds a Lane of
// it.
class TelemetryCore {
 public:
  TelemetryCore(const TelemetryOptions& options, std::uint64_t instance)
      : instance_(instance),
        options_{.directory = options.directory.empty() ? default_telemetry_directory()
                                                        : std::string(options.directory),
                 .profile_id = options.profile_id,
                 .lane_lines = options.lane_lines} {
    names_.reserve(kNamesMax);
    names_.emplace_back("");
    script_ = name(utf8_prefix(options.script_name, kWordBytesMax));
    overflow_ = name("__overflow__");
  }

  std::uint64_t instance() const noexcept { return instance_; }
  std::uint16_t script() const noexcept { return script_; }

  std::uint16_t name(std::string_view text) {
    const std::lock_guard lock(mutex_);
    text = utf8_prefix(text, kNameBytesMax);
    const auto known = std::find(names_.begin(), names_.end(), text);
    if (known != names_.end()) return static_cast<std::uint16_t>(known - names_.begin());
    if (names_.size() >= kNamesMax) return overflow_;
    std::string copy(text);  // allocates before the Segment knows: the indices must stay the same
    if (segment_ && !segment_->add_name(text)) return overflow_;
    names_.push_back(std::move(copy));
    return static_cast<std::uint16_t>(names_.size() - 1);
  }

  // A Lane nobody holds, or a new one; nullptr and a status when there is none to be had.
  LaneWriter* acquire_lane() {
    const std::lock_guard lock(mutex_);
    if (!segment_ && !make_segment()) return nullptr;
    if (!free_lanes_.empty()) {
      LaneWriter* lane = free_lanes_.back();
      free_lanes_.pop_back();
      return lane;
    }
    auto lane = segment_->claim_lane();
    if (!lane) {
      status_ = lane.error().message;
      return nullptr;
    }
    lanes_.push_back({*lane});
    free_lanes_.reserve(lanes_.size());  // giving a Lane back must not allocate
    return &lanes_.back().writer;
  }

  void give_back(LaneWriter* lane) noexcept {
    const std::lock_guard lock(mutex_);
    free_lanes_.push_back(lane);  // reserved in acquire_lane
  }

  bool make_segment_now() {
    const std::lock_guard lock(mutex_);
    return segment_.has_value() || make_segment();
  }
  bool is_attached() {
    const std::lock_guard lock(mutex_);
    return segment_.has_value() && !lanes_.empty();
  }
  std::string status_text() {
    const std::lock_guard lock(mutex_);
    return segment_ && status_.empty() ? "attached to " + segment_->path() : "detached: " + status_;
  }

  // Fork: the mutex is held across it, so that the child finds a consistent core; the child then
  // lets go of the Segment (its parent's) and makes one of its own on its first publish.
  void before_fork() noexcept { mutex_.lock(); }
  void after_fork_in_parent() noexcept { mutex_.unlock(); }
  void after_fork_in_child() noexcept {
    if (segment_) segment_->abandon();
    segment_.reset();
    free_lanes_.clear();
    lanes_.clear();
    ++generation_;
    mutex_.unlock();
  }
  std::uint64_t generation() const noexcept { return generation_; }

 private:
  // 128, not 64: the adjacent-line prefetcher pulls lines in pairs, and the writers of two threads
  // lie side by side.
  struct alignas(2 * kLineBytes) ThreadWriter {
    LaneWriter writer;
  };

  bool make_segment() {
    SegmentWriter::Options options = options_;
    options.names.assign(names_.begin() + 1, names_.end());  // the same indices as before
    options.script_name = script_;
    auto segment = SegmentWriter::create(options);
    if (!segment) {
      status_ = segment.error().message;
      return false;
    }
    segment_.emplace(std::move(*segment));
    status_.clear();
    return true;
  }

  const std::uint64_t instance_;
  const SegmentWriter::Options options_;
  std::mutex mutex_;
  std::optional<SegmentWriter> segment_;
  std::deque<ThreadWriter> lanes_;  // addresses stay: threads hold pointers
  std::vector<LaneWriter*> free_lanes_;
  std::vector<std::string> names_;
  std::uint16_t script_ = 0, overflow_ = 0;
  std::string status_;
  std::uint64_t generation_ = 0;  // forks since the start: a Lane of an earlier one is not ours
};

namespace {

// Store by store: a signal handler that publishes in between must find no Lane rather than the Lane of
// another Telemetry.
void remember_lane(std::uint64_t instance, LaneWriter* lane) noexcept {
  t_lane_instance = kNoInstance;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  t_lane = lane;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  t_lane_instance = instance;
}
void forget_lane() noexcept { remember_lane(kNoInstance, nullptr); }

// Every core of the process, for fork. Few: one per Telemetry.
struct Registry {
  std::mutex mutex;
  std::vector<std::weak_ptr<TelemetryCore>> cores;
  std::vector<std::shared_ptr<TelemetryCore>>
      held_for_fork;  // shared: alive from prepare to parent/child
};

Registry& registry() {
  static Registry* const instance = new Registry;  // never destroyed: threads may end after main
  return *instance;
}

void before_fork() noexcept {
  Registry& r = registry();
  r.mutex.lock();
  for (const auto& weak : r.cores) {
    if (auto core = weak.lock()) r.held_for_fork.push_back(std::move(core));
  }
  for (const auto& core : r.held_for_fork) core->before_fork();
}

void after_fork_in_parent() noexcept {
  Registry& r = registry();
  for (const auto& core : r.held_for_fork) core->after_fork_in_parent();
  r.held_for_fork.clear();
  r.mutex.unlock();
}

void after_fork_in_child() noexcept {
  Registry& r = registry();
  forget_lane();
  for (const auto& core : r.held_for_fork) core->after_fork_in_child();
  r.held_for_fork.clear();
  r.mutex.unlock();
}

std::shared_ptr<TelemetryCore> register_core(const TelemetryOptions& options) {
  static std::atomic<std::uint64_t> next_instance{1};
  static const int installed =
      pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child);
  static_cast<void>(installed);
  auto core = std::make_shared<TelemetryCore>(options, next_instance.fetch_add(1));
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  std::erase_if(r.cores, [](const auto& weak) { return weak.expired(); });
  r.held_for_fork.reserve(r.cores.size() + 1);  // fork itself must not fail in our handler
  r.cores.push_back(core);
  return core;
}

// What this thread may do about its leases. Outlives them: statics and other thread-locals may
// publish while the thread is being taken down, a signal handler while it claims.
enum class Leasing : std::uint8_t { possible, under_way, over };
constinit thread_local Leasing t_leasing = Leasing::possible;

// The Lanes this thread holds, one per Telemetry; given back when the thread ends.
class ThreadLeases {
 public:
  ~ThreadLeases() {
    t_leasing = Leasing::over;
    forget_lane();
    for (const Lease& lease : leases_) end(lease);
  }

  // The Telemetry is gone: its Segment goes with the last lease.
  void drop(const std::shared_ptr<TelemetryCore>& core) noexcept {
    std::erase_if(leases_, [&](const Lease& lease) {
      if (lease.core != core) return false;
      end(lease);
      return true;
    });
  }

  LaneWriter* lane_of(const std::shared_ptr<TelemetryCore>& core) {
    for (Lease& lease : leases_) {
      if (lease.core != core) continue;
      if (lease.generation != core->generation()) lease = acquire(core);  // we are a forked child
      return lease.writer;
    }
    // A Telemetry that is gone needs no lease any more.
    std::erase_if(leases_, [](const Lease& lease) { return lease.core.use_count() == 1; });
    leases_.push_back(acquire(core));
    return leases_.back().writer;
  }

 private:
  struct Lease {
    std::shared_ptr<TelemetryCore> core;  // shared: the thread may end after the Telemetry
    LaneWriter* writer;                   // nullptr: none to be had; not tried again by this thread
    std::uint64_t generation;
  };
  static void end(const Lease& lease) noexcept {
    if (lease.writer != nullptr && lease.generation == lease.core->generation())
      lease.core->give_back(lease.writer);
  }
  static Lease acquire(const std::shared_ptr<TelemetryCore>& core) {
    return {core, core->acquire_lane(), core->generation()};
  }
  std::vector<Lease> leases_;
};

thread_local ThreadLeases t_leases;

}  // namespace
}  // namespace detail

Telemetry::Telemetry(const TelemetryOptions& options) noexcept {
  if (!options.enabled) return;
  try {
    core_ = detail::register_core(options);
    instance_ = core_->instance();
    speaker_ = {options.profile_id, core_->script()};
    if (core_->make_segment_now()) attach_thread();
  } catch (...) {  // out of memory: the bot goes on without telemetry
    core_.reset();
    instance_ = 0;
  }
}

Telemetry::~Telemetry() {
  if (detail::t_lane_instance == instance_) detail::forget_lane();
  if (core_ && detail::t_leasing == detail::Leasing::possible) detail::t_leases.drop(core_);
}

bool Telemetry::is_attached() const noexcept { return core_ && core_->is_attached(); }

std::string Telemetry::status_text() const { return core_ ? core_->status_text() : "disabled"; }

NameId Telemetry::name(std::string_view text) const noexcept {
  if (!core_) return 0;
  try {
    return core_->name(text);
  } catch (...) {  // out of memory: the empty name
    return 0;
  }
}

std::uint32_t Telemetry::lines_free() const noexcept {
  LaneWriter* lane = this_thread_lane();
  return lane == nullptr ? 0 : lane->lines_free();
}

std::uint32_t Telemetry::lane_lines() const noexcept {
  LaneWriter* lane = this_thread_lane();
  return lane == nullptr ? 0 : lane->line_count();
}

LaneWriter* Telemetry::attach_this_thread() const noexcept {
  using detail::Leasing;
  if (detail::t_leasing != Leasing::possible) return nullptr;
  detail::t_leasing = Leasing::under_way;
  LaneWriter* lane = nullptr;
  try {
    lane = detail::t_leases.lane_of(core_);
  } catch (...) {  // out of memory: this thread stays detached
  }
  detail::remember_lane(instance_, lane);
  detail::t_leasing = Leasing::possible;
  return lane;
}

}  // namespace ddt
