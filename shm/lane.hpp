// shm/lane.hpp — bounded single-producer/single-consumer ring of Records over shared memory.
//
// Threads   LaneWriter: one thread of one bot. LaneReader: the sidecar's drain thread. Nothing else.
// Units     Positions are lines (64 bytes) since the Lane was made; they only grow.
// Ordering  W1 sequence.store(release) → R1 sequence.load(acquire): a Record is read only when whole.
//           R2 released.store(release) → W2 released.load(acquire): a line is reused only after it
//           is read.
// Errors    Full for its class: refused and counted. Impossible length or sequence: the reader says
//           corrupt.
// Crash     Either side may die between any two instructions: the first line's sequence word is
//           stored last, so an unfinished Record was never published; `released` moves only past
//           what is safe.
//
// The writer's positions, limits and cached `released` live in its own memory: it never loads a
// line that the reader writes or polls, but for `released` once the cached one says that the
// class's limit is passed.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "shm/record.hpp"

namespace ddt {

inline constexpr std::uint32_t kLaneLinesDefault =
    16'384;  // 1 MiB: shorter Lanes show page and lap effects
inline constexpr std::uint32_t kLaneLinesMin = 128;  // the longest Record must fit a half-full Lane
inline constexpr std::uint32_t kLaneLinesMax = 1U << 22;

// One Lane's control lines in the Segment. The reader's and the writer's words lie on lines of
// their own.
struct alignas(kLineBytes) LaneControl {
  std::atomic<std::uint64_t> released;  // reader: lines before this may be reused
  std::uint8_t reader_reserved[kLineBytes - 8];
  // writer, touched only at claim and when something is refused:
  std::atomic<std::uint32_t> claimed;  // 1 once the Lane's memory is there
  std::uint32_t writer_reserved;
  std::atomic<std::uint64_t> dropped[kRecordClasses];
  std::atomic<std::uint64_t> refused;   // bad number, time, profile or symbol
  std::atomic<std::uint64_t> ordinals;  // ordinals handed out when the last refusal happened
  std::atomic<std::uint64_t> metadata_left_off;
};
static_assert(sizeof(LaneControl) == 2 * kLineBytes && std::is_standard_layout_v<LaneControl>);
static_assert(offsetof(LaneControl, claimed) == kLineBytes);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free &&
              sizeof(std::atomic<std::uint64_t>) == 8);

enum class Publish : std::uint8_t { ok, full, reentrant };

// What a Record says about itself, besides its payload.
struct RecordStamp {
  RecordKind kind;
  std::uint8_t flags;  // kEventTimeGiven or 0
  std::uint16_t script;
  std::int32_t profile_id;
  std::uint64_t stamp;
};

class LaneWriter {
 public:
  LaneWriter() = default;
  // `lines` and `control` must outlive the writer; `line_count` is a power of two; the Lane is
  // fresh.
  LaneWriter(std::byte* lines, std::uint32_t line_count, LaneControl* control) noexcept
      : lines_(lines),
        mask_(line_count - 1),
        control_(control),
        limit_{line_count / 2, line_count - line_count / 4, line_count} {}

  // Publishes `payload_bytes` bytes as one Record, or refuses and counts. Wait-free.
  Publish try_publish(const RecordStamp& stamp, const void* payload,
                      std::size_t payload_bytes) noexcept {
    if (busy_) [[unlikely]]
      return Publish::reentrant;  // a signal handler inside a publish of this thread
    busy_ = true;
    std::atomic_signal_fence(
        std::memory_order_seq_cst);  // compiler only: the handler sees busy_ in order
    const std::uint32_t line_count = lines_for(payload_bytes);
    const auto record_class = static_cast<std::size_t>(class_of(stamp.kind));
    if (position_ + line_count - released_ > limit_[record_class]) [[unlikely]] {
      if (!has_room_after_reload(record_class, line_count)) {
        busy_ = false;
        return Publish::full;
      }
    }
    const auto* bytes = static_cast<const std::byte*>(payload);
    for (std::uint32_t i = 1; i < line_count; ++i) store_later_line(i, bytes, payload_bytes);
    std::byte* first = line_at(position_);
    const RecordHead head{.sequence = 0,
                          .ordinal = ordinal_,
                          .refused = refused_,
                          .stamp = stamp.stamp,
                          .kind = stamp.kind,
                          .lines = static_cast<std::uint8_t>((line_count - 1) | stamp.flags),
                          .script = stamp.script,
                          .profile_id = stamp.profile_id};
    constexpr std::size_t kSequence = sizeof(std::uint64_t);
    std::memcpy(first + kSequence, reinterpret_cast<const std::byte*>(&head) + kSequence,
                kHeadBytes - kSequence);
    std::memcpy(first + kHeadBytes, bytes,
                payload_bytes < kFirstPayloadBytes ? payload_bytes : kFirstPayloadBytes);
    sequence_at(first).store(position_ + 1, std::memory_order_release);  // W1
    position_ += line_count;
    ++ordinal_;
    std::atomic_signal_fence(std::memory_order_seq_cst);  // compiler only, as above
    busy_ = false;
    return Publish::ok;
  }

  // Counts a Record that is never published because what it says cannot be. False, and nothing is
  // counted, inside a publish of this thread: the interrupted one owns the ordinals.
  bool count_refused() noexcept {
    if (busy_) [[unlikely]]
      return false;
    ++ordinal_;
    ++refused_;
    bump(control_->refused);
    control_->ordinals.store(ordinal_,
                             std::memory_order_relaxed);  // relaxed: a count, read on its own
    return true;
  }
  void count_metadata_left_off() noexcept { bump(control_->metadata_left_off); }

  // Lines a fact could still take. Loads the reader's line: for callers that wait, not for the hot
  // path.
  std::uint32_t lines_free() noexcept {
    reload_released();
    return static_cast<std::uint32_t>(mask_ + 1 - (position_ - released_));
  }
  std::uint32_t line_count() const noexcept { return static_cast<std::uint32_t>(mask_ + 1); }
  std::uint64_t position() const noexcept { return position_; }

 private:
  using Sequence = std::atomic<std::uint64_t>;

  std::byte* line_at(std::uint64_t position) const noexcept {
    return lines_ + (position & mask_) * kLineBytes;
  }
  static Sequence& sequence_at(std::byte* line) noexcept {
    return *reinterpret_cast<Sequence*>(line);
  }
  // One writer: a load and a store, no locked instruction. Relaxed: a count, read on its own.
  static void bump(std::atomic<std::uint64_t>& counter) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  void store_later_line(std::uint32_t i, const std::byte* bytes,
                        std::size_t payload_bytes) noexcept {
    std::byte* line = line_at(position_ + i);
    const std::size_t offset = kFirstPayloadBytes + (i - 1) * kLaterPayloadBytes;
    const std::size_t rest = payload_bytes - offset;
    std::memcpy(line + sizeof(Sequence), bytes + offset,
                rest < kLaterPayloadBytes ? rest : kLaterPayloadBytes);
    // Relaxed: W1 on the first line publishes it.
    sequence_at(line).store(position_ + i + 1, std::memory_order_relaxed);
  }

  // Takes over the reader's position if it is possible: nonsense from outside gives no room.
  void reload_released() noexcept {
    const std::uint64_t found = control_->released.load(std::memory_order_acquire);  // W2
    if (found >= released_ && found <= position_) released_ = found;
  }

  [[gnu::noinline]] bool has_room_after_reload(std::size_t record_class,
                                               std::uint32_t line_count) noexcept {
    reload_released();
    if (position_ + line_count - released_ <= limit_[record_class]) return true;
    ++ordinal_;
    ++refused_;
    bump(control_->dropped[record_class]);
    control_->ordinals.store(ordinal_,
                             std::memory_order_relaxed);  // relaxed: a count, read on its own
    return false;
  }

  std::byte* lines_ = nullptr;
  std::uint64_t mask_ = 0;
  LaneControl* control_ = nullptr;
  std::uint64_t position_ = 0;
  std::uint64_t ordinal_ = 0;
  std::uint64_t refused_ = 0;   // dropped ones included
  std::uint64_t released_ = 0;  // cached
  std::array<std::uint64_t, kRecordClasses> limit_{};
  bool busy_ = false;
};

enum class Peeked : std::uint8_t { record, empty, corrupt };

// A Record copied out of a Lane. The copy is ours; what it says is still the bot's word.
struct RecordCopy {
  RecordHead head;
  std::uint64_t position;
  std::uint32_t lines;
  std::uint32_t payload_bytes;  // room in the lines, not what the body uses
  std::array<std::byte, kPayloadBytesMax> payload;
};

class LaneReader {
 public:
  LaneReader() = default;
  // `line_count` is what was validated when the Segment was opened, never read again from the file.
  LaneReader(std::byte* lines, std::uint32_t line_count, LaneControl* control,
             std::uint64_t start) noexcept
      : lines_(lines), mask_(line_count - 1), control_(control), next_(start) {}

  // Copies the Record at next(), if it is whole, and moves next() past it. Trusts nothing it reads.
  Peeked read(RecordCopy& out) noexcept {
    std::byte* first = line_at(next_);
    if (sequence_at(first).load(std::memory_order_acquire) != next_ + 1) {  // R1
      return sequence_is_possible(first) ? Peeked::empty : Peeked::corrupt;
    }
    std::memcpy(&out.head, first, kHeadBytes);
    std::memcpy(out.payload.data(), first + kHeadBytes, kFirstPayloadBytes);
    out.lines = static_cast<std::uint32_t>(out.head.lines & kLinesMask) + 1;
    if (out.lines > kRecordLinesMax)
      return Peeked::corrupt;  // the bot scribbled: quarantine, never trust
    for (std::uint32_t i = 1; i < out.lines; ++i) {
      std::byte* line = line_at(next_ + i);
      // Relaxed: R1 on the first line has made it visible.
      if (sequence_at(line).load(std::memory_order_relaxed) != next_ + i + 1)
        return Peeked::corrupt;
      std::memcpy(out.payload.data() + kFirstPayloadBytes + (i - 1) * kLaterPayloadBytes,
                  line + sizeof(Sequence), kLaterPayloadBytes);
    }
    out.position = next_;
    out.payload_bytes =
        static_cast<std::uint32_t>(kFirstPayloadBytes + (out.lines - 1) * kLaterPayloadBytes);
    next_ += out.lines;
    return Peeked::record;
  }

  std::uint64_t next() const noexcept { return next_; }
  // Reads again from `position`, which must not have been released.
  void rewind(std::uint64_t position) noexcept { next_ = position; }
  // Gives lines before `position` back to the writer.
  void release(std::uint64_t position) noexcept {
    control_->released.store(position, std::memory_order_release);  // R2
  }
  std::uint64_t released() const noexcept {
    return control_->released.load(std::memory_order_relaxed);
  }  // our own store
  std::uint32_t line_count() const noexcept { return static_cast<std::uint32_t>(mask_ + 1); }

 private:
  using Sequence = std::atomic<std::uint64_t>;
  std::byte* line_at(std::uint64_t position) const noexcept {
    return lines_ + (position & mask_) * kLineBytes;
  }
  static Sequence& sequence_at(std::byte* line) noexcept {
    return *reinterpret_cast<Sequence*>(line);
  }

  // An unpublished line holds what the lap before left there; zero in the first lap.
  bool sequence_is_possible(std::byte* line) const noexcept {
    const std::uint64_t found =
        sequence_at(line).load(std::memory_order_relaxed);           // relaxed: a sanity check
    const std::uint64_t before = next_ > mask_ ? next_ - mask_ : 0;  // next_ + 1 − line_count
    return found == before || found == next_ + 1;                    // published since R1 looked
  }

  std::byte* lines_ = nullptr;
  std::uint64_t mask_ = 0;
  LaneControl* control_ = nullptr;
  std::uint64_t next_ = 0;
};

}  // namespace ddt
