// shm/segment.hpp — a Segment as its bot makes it, and as the sidecar opens it.
//
// Directory   0700 of one user, or 3733 of the sidecar's user with Segments 0660 of its group. A
//             directory of an unexpected owner is refused: neither ours, nor root's, nor (for a bot)
//             set-gid 3733; so is one in which others may replace files.
// Life        Made and locked under a temporary name, then linked: a name "seg-…" is always complete,
//             names and all. The lock lives as long as the owner's mapping of the header; a free lock
//             means that the owner is gone.
// Memory      The bot maps the header, and each Lane when it is claimed: a bot that locks its memory
//             (mlockall) pays for the Lanes it uses, not for 256.
// Threads     SegmentWriter: guarded by its user, once made. SegmentReader: one thread, SIGBUS not blocked.
// Errors      A full file system refuses with a status (posix_fallocate), never SIGBUS. A file truncated
//             under a SegmentReader reads as zeroes from then on, and is_torn() says so.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shm/base/result.hpp"
#include "shm/fault_guard.hpp"
#include "shm/file.hpp"
#include "shm/mapping.hpp"
#include "shm/segment_layout.hpp"
#include "shm/words.hpp"

namespace ddt {

inline constexpr std::string_view kSegmentPrefix = "seg-";
inline constexpr std::string_view kTemporaryPrefix = "tmp-";

// $DDT_DIR, else /dev/shm/ddt.
std::string default_telemetry_directory();

// Makes the directory (0700) if it is missing and checks whose it is.
Status prepare_telemetry_directory(const std::string& directory);

class SegmentWriter {
 public:
  struct Options {
    std::string directory;
    std::int32_t profile_id = 0;
    std::uint32_t lane_lines = kLaneLinesDefault;
    // At indices 1, 2, …: there before the Segment can be seen. Beyond the table: left off.
    std::vector<std::string> names = {};
    std::uint16_t script_name = 0;  // an index
  };
  static Result<SegmentWriter> create(const Options& options);

  // Reserves and touches the next Lane's memory. Errors: no room, too many Lanes.
  Result<LaneWriter> claim_lane();
  // Publishes a name at the next index; nullopt when the table is full. Names are cut at 63 bytes.
  std::optional<std::uint16_t> add_name(std::string_view text);

  const std::string& path() const noexcept { return path_; }
  // A forked child gives up what it inherited. Async-signal-safe.
  void abandon() noexcept {
    mapping_.unmap();
    for (Mapping& lane : lane_mappings_) lane.unmap();
  }

 private:
  SegmentHeader* header() const noexcept {
    return reinterpret_cast<SegmentHeader*>(mapping_.data());
  }
  LaneControl* lane_control(std::uint32_t lane) const noexcept;

  std::string path_;
  Mapping mapping_;  // the header, the name table, the lane table
  std::vector<Mapping> lane_mappings_;
  std::uint32_t lane_lines_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// shared: in place, writable, as the sidecar needs it. copy: for those who only look: opened for
// reading only, and the header and its tables copied, so that nothing can be disturbed or pulled away;
// what lane() would read is not there.
enum class Access : std::uint8_t { shared, copy };

// A Segment as the sidecar holds it: everything it will ever trust was copied and checked when
// opening.
class SegmentReader {
 public:
  // Errors: code EAGAIN = not complete yet, try later; anything else = never.
  static Result<SegmentReader> open(const std::string& directory, const std::string& name,
                                    Access access = Access::shared);

  const std::string& name() const noexcept { return name_; }
  const std::uint8_t* id() const noexcept { return id_; }
  std::uint32_t owner_uid() const noexcept { return owner_uid_; }
  std::uint32_t owner_pid() const noexcept { return owner_pid_; }
  std::int32_t profile_id() const noexcept { return profile_id_; }
  ClockKind clock() const noexcept { return clock_; }

  LockState owner_lock() const noexcept { return lock_state(fd_.get()); }
  int descriptor() const noexcept { return fd_.get(); }
  // False once somebody truncated the file below what was mapped, or took memory out of it.
  bool is_whole() noexcept;
  // False once the header is not what it was when it was opened: somebody wrote over it.
  bool is_header_intact() const noexcept;
  // True once a read found the file truncated: whatever was copied since may be zeroes. Costs a load.
  bool is_torn() const noexcept { return guard_.is_torn(); }
  std::uint32_t lane_count() const noexcept;  // bounded by kLanesMax
  bool is_lane_claimed(std::uint32_t lane) const noexcept;
  std::uint32_t lane_lines() const noexcept { return lane_lines_; }
  LaneReader lane(std::uint32_t lane, std::uint64_t start) const noexcept;
  LaneControl* lane_control(std::uint32_t lane) const noexcept;
  // The name at an index, UTF-8 without control characters; "" where there is none. Copied at first
  // use: later scribbling changes nothing.
  const std::string& name_at(std::uint16_t index);
  // The same where it names a script: at most 50 bytes.
  std::string script_at(std::uint16_t index) {
    return std::string(utf8_prefix(name_at(index), kWordBytesMax));
  }
  std::string script_name() { return script_at(script_name_); }

  // Wall time of a stamp, by the pairs published so far. At least one pair with a rate must exist.
  std::int64_t wall_time_ns(std::uint64_t stamp) const noexcept {
    const CalibrationPair& last = pairs_.back();
    const bool is_after_it =
        last.ticks <= stamp && last.ns_per_tick_q32 != 0;  // as all but a few are
    return wall_time_ns(stamp, is_after_it ? last : pair_for(stamp));
  }
  // Appends a pair if the clock has drifted from the last one by more than `tolerance_ns`, or none
  // has a rate. The tolerance doubles with every 16 pairs, so that they last. Returns true when a
  // pair was appended.
  bool calibrate(std::uint64_t ticks, std::int64_t wall_ns, std::uint64_t ns_per_tick_q32,
                 std::int64_t tolerance_ns);

  const std::byte* begin() const noexcept { return mapping_.data(); }
  std::size_t mapped_bytes() const noexcept { return mapping_.size(); }

 private:
  SegmentHeader* header() const noexcept {
    return reinterpret_cast<SegmentHeader*>(mapping_.data());
  }

  const CalibrationPair& pair_for(std::uint64_t stamp) const noexcept;
  static std::int64_t wall_time_ns(std::uint64_t stamp, const CalibrationPair& pair) noexcept {
    const auto ticks = static_cast<std::int64_t>(stamp - pair.ticks);
    __extension__ using Wide = __int128;
    const Wide ns = (static_cast<Wide>(ticks) * static_cast<Wide>(pair.ns_per_tick_q32)) >> 32;
    return static_cast<std::int64_t>(pair.wall_ns + ns);
  }

  std::string name_;
  FileDescriptor fd_;
  Mapping mapping_;
  FaultGuard guard_;  // goes before the mapping
  bool is_on_tmpfs_ = false;
  std::int64_t blocks_seen_ = 0;
  std::uint8_t id_[16]{};
  std::uint32_t owner_uid_ = 0, owner_pid_ = 0, lane_lines_ = 0;
  std::int32_t profile_id_ = 0;
  std::uint16_t script_name_ = 0;
  ClockKind clock_ = ClockKind::tsc;
  std::vector<std::optional<std::string>> names_;
  std::vector<CalibrationPair> pairs_;  // our copy; the file's only feed a restarted sidecar
};

// The id in a Segment's name; nullopt where it is no such name. A header that says another id is refused.
std::optional<std::array<std::uint8_t, 16>> segment_id_of(std::string_view name) noexcept;

// Names of Segments ("seg-…") in a directory, and temporary files nobody holds (older than a
// minute).
Result<std::vector<std::string>> segment_names(const std::string& directory);
void remove_abandoned_temporaries(const std::string& directory) noexcept;
// A file that no SegmentReader will ever open, once nobody has held it for ten minutes. True when it went.
bool remove_abandoned_segment(const std::string& directory, const std::string& name) noexcept;

}  // namespace ddt
