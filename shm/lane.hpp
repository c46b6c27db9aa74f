// shm/lane.hpp — bounded single-producer/single-consumer ring of Records over shared memory.
//
// Threads   LaneWriter: one thread of one bot. LaneReader: the sidecar's drain thread. Nothing else.
// Units     Positions are lines (64 bytes) since the Lane was made; they only grow.
// Ordering  W1 sequence.store(release) → R1 sequence.load(acquire): a Record is read only when whole.
//           R2 released.store(release) → W2 released.load(acquire): a line is reused only after it
//           is read.
//           C1 counts.store(release) → C2 counts.load(acquire): whoever sees a refusal sees the Records
//           before it; the reader holds the one against the other.
// Errors    Full for its class: refused and counted. Impossible length or sequence: the reader says
//           corrupt.
// Crash     Either side may die between any two instructions: the first line's sequence word is
//           stored last, so an unfinished Record was never published; `released` moves only past
//           what is safe.
//
// Memory    Whatever both sides see is touched through a Memory (shm/lane_memory.hpp; tests/model has
//           another one): not a word of it in any other way.
//
// The writer's positions, limits and cached `released` live in its own memory: it never loads a
// line that the reader writes or polls, but for `released` once the cached one says that the
// class's limit is passed.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "shm/lane_memory.hpp"
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
  std::atomic<std::uint64_t> reentrant;  // asked inside a publish of the same thread
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

// The last word of a RecordHead: kind, lines, flags, script, profile.
constexpr std::uint64_t label_of(const RecordStamp& stamp, std::uint32_t line_count) noexcept {
  const auto lines = static_cast<std::uint8_t>((line_count - 1) | stamp.flags);
  return static_cast<std::uint64_t>(stamp.kind) | std::uint64_t{lines} << 8U |
         std::uint64_t{stamp.script} << 16U |
         std::uint64_t{static_cast<std::uint32_t>(stamp.profile_id)} << 32U;
}

// The payload of a Record of one line.
using FirstPayload = std::array<std::uint64_t, kFirstPayloadBytes / sizeof(std::uint64_t)>;

template <typename Memory>
class BasicLaneWriter {
 public:
  BasicLaneWriter() = default;
  // `lines` and `control` must outlive the writer; `line_count` is a power of two. The Lane is fresh,
  // or was published up to `position`.
  BasicLaneWriter(std::byte* lines, std::uint32_t line_count, LaneControl* control,
                  std::uint64_t position = 0) noexcept
      : lines_(lines),
        mask_(line_count - 1),
        control_(control),
        position_(position),
        sample_limit_(line_count / 2),
        next_line_(line_at(position)) {}

  // Publishes `payload_bytes` bytes as one Record, or refuses and counts. Wait-free. Fastest where the
  // payload was written in whole 64-bit words.
  Publish try_publish(const RecordStamp& stamp, const void* payload,
                      std::size_t payload_bytes) noexcept {
    const std::uint32_t line_count = lines_for(payload_bytes);
    if (const Publish entered = enter(class_of(stamp.kind), line_count); entered != Publish::ok)
        [[unlikely]]
      return entered;
    const auto* bytes = static_cast<const std::byte*>(payload);
    const std::uint64_t position = position_;
    std::byte* first = next_line_;
    for (std::uint32_t i = 0; i < line_count; ++i) prefetch(first + (kLinesAhead + i) * kLineBytes);
    for (std::uint32_t i = 1; i < line_count; ++i) {
      std::byte* line = line_at(position + i);
      const std::size_t offset = kFirstPayloadBytes + (i - 1) * kLaterPayloadBytes;
      copy_words(line + sizeof(Sequence), bytes + offset,
                 std::min(payload_bytes - offset, kLaterPayloadBytes));
      // Relaxed: W1 on the first line publishes it.
      Memory::store(sequence_at(line), position + i + 1, std::memory_order_relaxed);
    }
    store_head(first, label_of(stamp, line_count), stamp.stamp);
    copy_words(first + kHeadBytes, bytes, std::min(payload_bytes, kFirstPayloadBytes));
    Memory::store(sequence_at(first), position + 1, std::memory_order_release);  // W1
    leave(position, line_count);
    return Publish::ok;
  }

  // The same for a Record of one line, its payload in registers. `take_stamp` is called once there is
  // room: a stamp taken earlier would have to be kept somewhere while the line is looked for.
  template <typename TakeStamp>
  [[gnu::always_inline]] Publish try_publish(RecordClass record_class, std::uint64_t label,
                                             TakeStamp take_stamp,
                                             const FirstPayload& payload) noexcept {
    if (const Publish entered = enter(record_class, 1); entered != Publish::ok) [[unlikely]]
      return entered;
    const std::uint64_t position = position_;
    std::byte* first = next_line_;
    store_head(first, label, take_stamp());
    for (std::size_t i = 0; i < payload.size(); ++i)
      Memory::store_word(first + kHeadBytes + i * sizeof(Sequence), payload[i]);
    Memory::store(sequence_at(first), position + 1, std::memory_order_release);  // W1
    prefetch(first + kLinesAhead * kLineBytes);
    leave(position, 1);
    return Publish::ok;
  }
  Publish try_publish(const RecordStamp& stamp, const FirstPayload& payload) noexcept {
    return try_publish(
        class_of(stamp.kind), label_of(stamp, 1), [&] { return stamp.stamp; }, payload);
  }

  // Counts a Record that is never published because what it says cannot be. False inside a publish of
  // this thread: the interrupted one owns the ordinals, and it counts as reentrant.
  bool count_refused() noexcept {
    if (busy_) [[unlikely]] {
      count_reentrant();
      return false;
    }
    be_busy();
    count_refusal(control_->refused);
    be_free();
    return true;
  }
  void count_metadata_left_off() noexcept {
    be_busy();  // a handler counts in the same word
    bump(control_->metadata_left_off);
    be_free();
  }

  // Lines a fact could still take. Loads the reader's line: for callers that wait, not for the hot
  // path.
  std::uint32_t lines_free() noexcept {
    reload_released();
    const std::uint64_t held = position_ - released();
    return held < line_count() ? static_cast<std::uint32_t>(line_count() - held) : 0;
  }
  std::uint32_t line_count() const noexcept { return mask_ + 1; }
  std::uint64_t position() const noexcept { return position_; }

 private:
  using Sequence = typename Memory::Word;

  std::byte* line_at(std::uint64_t position) const noexcept {
    return lines_ + (position & mask_) * kLineBytes;
  }
  static Sequence& sequence_at(std::byte* line) noexcept {
    return *reinterpret_cast<Sequence*>(line);
  }
  // One writer: a load (relaxed: its own) and a store, no locked instruction.
  static void bump(Sequence& counter) noexcept {
    Memory::store(counter, Memory::load(counter, std::memory_order_relaxed) + 1,
                  std::memory_order_release);  // C1
  }

  // From be_busy() to be_free() this thread is inside a publish. The fences are the compiler's only: a
  // signal handler of this thread sees busy_ in order.
  void be_busy() noexcept {
    busy_ = true;
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  void be_free() noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    busy_ = false;
  }

  // Whether there is room; from here to leave() this thread is inside a publish.
  Publish enter(RecordClass record_class, std::uint32_t line_count) noexcept {
    if (busy_) [[unlikely]] {
      count_reentrant();  // a signal handler inside a publish of this thread
      return Publish::reentrant;
    }
    be_busy();
    if (position_ + line_count > limit_of(record_class)) [[unlikely]] {
      if (!has_room_after_reload(record_class, line_count)) {
        be_free();
        return Publish::full;
      }
    }
    return Publish::ok;
  }
  void leave(std::uint64_t position, std::uint32_t line_count) noexcept {
    position_ = position + line_count;
    ++ordinal_;
    next_line_ = line_at(position_);
    be_free();
  }

  // Lines this far ahead are asked for now: their page is walked (every 64th line begins one, which
  // would be the 99th percentile) and they are ours when we get there. Far enough from the line that
  // the reader polls. bench/publish_bench: p99 of a sample 100 → 18 ns, in a virtual machine.
  static constexpr std::uint32_t kLinesAhead = 9;
  static void prefetch(const std::byte* line) noexcept {
#if defined(__x86_64__)
    asm volatile("prefetchw %0" : : "m"(*line));  // does nothing where there is no such thing
#else
    __builtin_prefetch(line, 1);
#endif
  }

  // The position that Records of a class may fill the Lane to, as far as the cached `released` tells.
  std::uint64_t limit_of(RecordClass record_class) const noexcept {
    switch (record_class) {
      case RecordClass::sample:
        return sample_limit_;
      case RecordClass::state:
        return sample_limit_ + line_count() / 4;
      default:
        return sample_limit_ + line_count() / 2;
    }
  }
  std::uint64_t released() const noexcept { return sample_limit_ - line_count() / 2; }  // cached

  // Words go from registers to the Lane, never through narrower stores on the stack: a load that
  // spans several stores waits until they have left the store buffer, and there they stand behind
  // the Lane's lines, which another core has (5 ns on its own, 100 behind a line; bench/publish_bench).
  void store_head(std::byte* first, std::uint64_t label, std::uint64_t stamp) noexcept {
    Memory::store_word(first + offsetof(RecordHead, stamp), stamp);
    Memory::store_word(first + offsetof(RecordHead, ordinal), ordinal_);
    Memory::store_word(first + offsetof(RecordHead, refused), refused_);
    Memory::store_word(first + offsetof(RecordHead, kind), label);
  }
  static void copy_word(std::byte* to, const std::byte* from) noexcept {
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    asm("" : "+r"(word));  // one word at a time: two in a vector span two of the encoder's stores
    Memory::store_word(to, word);
  }
  static void copy_words(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
    if (bytes == kLaterPayloadBytes) {  // a whole line, as most are: no loop
#pragma GCC unroll 7
      for (std::size_t i = 0; i < kLaterPayloadBytes; i += sizeof(Sequence))
        copy_word(to + i, from + i);
      return;
    }
    for (; bytes >= sizeof(Sequence); bytes -= sizeof(Sequence)) {
      copy_word(to, from);
      to += sizeof(Sequence);
      from += sizeof(Sequence);
    }
    for (; bytes != 0; --bytes) Memory::store_byte(to++, *from++);
  }

  // Takes over the reader's position if it is possible: nonsense from outside gives no room.
  void reload_released() noexcept {
    const std::uint64_t found = Memory::load(control_->released, std::memory_order_acquire);  // W2
    if (found >= released() && found <= position_) sample_limit_ = found + line_count() / 2;
  }

  [[gnu::noinline, gnu::cold]] bool has_room_after_reload(RecordClass record_class,
                                                          std::uint32_t line_count) noexcept {
    reload_released();
    if (position_ + line_count <= limit_of(record_class)) return true;
    count_refusal(control_->dropped[static_cast<std::size_t>(record_class)]);
    return false;
  }
  // The count first: whoever stops between the two stores has refused, and the reader of the counts
  // knows that one ordinal may be behind (docs/formats/segment.md).
  void count_refusal(Sequence& counter) noexcept {
    ++ordinal_;
    ++refused_;
    bump(counter);
    // For the compiler: a bot that dies in between leaves the first of the two, never the second alone.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    Memory::store(control_->ordinals, ordinal_, std::memory_order_release);  // C1
  }
  // Handlers may interrupt handlers: the word says the sum once the outermost is done.
  [[gnu::noinline]] void count_reentrant() noexcept {
    const std::atomic_ref<std::uint64_t> counted(reentrant_);
    counted.fetch_add(1, std::memory_order_relaxed);  // relaxed: one thread
    std::uint64_t said = 0;
    do {
      said = counted.load(std::memory_order_relaxed);
      Memory::store(control_->reentrant, said,
                    std::memory_order_relaxed);  // a count, read on its own
    } while (said != counted.load(std::memory_order_relaxed));
  }

  std::byte* lines_ = nullptr;  // all of it within one line
  std::uint32_t mask_ = 0;
  bool busy_ = false;
  LaneControl* control_ = nullptr;
  std::uint64_t position_ = 0;
  std::uint64_t ordinal_ = 0;
  std::uint64_t refused_ = 0;  // dropped ones included
  // The cached `released`, as what follows from it: one comparison says whether a sample has room.
  std::uint64_t sample_limit_ = 0;
  std::byte* next_line_ = nullptr;  // line_at(position_)
  std::uint64_t reentrant_ = 0;     // beyond the line, and never touched by a publish that succeeds
};
using LaneWriter = BasicLaneWriter<LaneMemory>;
static_assert(sizeof(LaneWriter) == kLineBytes + sizeof(std::uint64_t));  // but for reentrant_

// What a writer has counted of what it refused.
struct LaneCounters {
  std::array<std::uint64_t, kRecordClasses> dropped;
  std::uint64_t refused, ordinals;
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

template <typename Memory>
class BasicLaneReader {
 public:
  BasicLaneReader() = default;
  // `line_count` is what was validated when the Segment was opened, never read again from the file.
  BasicLaneReader(std::byte* lines, std::uint32_t line_count, LaneControl* control,
                  std::uint64_t start) noexcept
      : lines_(lines), mask_(line_count - 1), control_(control), next_(start) {}

  // Copies the Record at next(), if it is whole, and moves next() past it. Trusts nothing it reads.
  Peeked read(RecordCopy& out) noexcept {
    std::byte* first = line_at(next_);
    if (Memory::load(sequence_at(first), std::memory_order_acquire) != next_ + 1) {  // R1
      return sequence_is_possible(first) ? Peeked::empty : Peeked::corrupt;
    }
    Memory::copy_out(&out.head, first, kHeadBytes);
    Memory::copy_out(out.payload.data(), first + kHeadBytes, kFirstPayloadBytes);
    out.lines = static_cast<std::uint32_t>(out.head.lines & kLinesMask) + 1;
    if (out.lines > kRecordLinesMax)
      return Peeked::corrupt;  // the bot scribbled: quarantine, never trust
    for (std::uint32_t i = 1; i < out.lines; ++i) {
      std::byte* line = line_at(next_ + i);
      // Relaxed: R1 on the first line has made it visible.
      if (Memory::load(sequence_at(line), std::memory_order_relaxed) != next_ + i + 1)
        return Peeked::corrupt;
      Memory::copy_out(out.payload.data() + kFirstPayloadBytes + (i - 1) * kLaterPayloadBytes,
                       line + sizeof(Sequence), kLaterPayloadBytes);
    }
    out.position = next_;
    out.payload_bytes =
        static_cast<std::uint32_t>(kFirstPayloadBytes + (out.lines - 1) * kLaterPayloadBytes);
    next_ += out.lines;
    return Peeked::record;
  }

  // Whether read() may find a Record: one load, for whoever has many Lanes to look at.
  bool has_next() const noexcept {
    return Memory::load(sequence_at(line_at(next_)), std::memory_order_acquire) == next_ + 1;  // R1
  }
  const std::byte* lines() const noexcept { return lines_; }

  std::uint64_t next() const noexcept { return next_; }
  // Reads again from `position`, which must not have been released.
  void rewind(std::uint64_t position) noexcept { next_ = position; }
  // Gives lines before `position` back to the writer.
  void release(std::uint64_t position) noexcept {
    Memory::store(control_->released, position, std::memory_order_release);  // R2
  }
  std::uint64_t released() const noexcept {
    return Memory::load(control_->released, std::memory_order_relaxed);
  }  // our own store
  // The ordinals first: what was refused by then is in the counts that are read after them.
  LaneCounters counters() const noexcept {
    const auto load = [](const Sequence& counter) {
      return Memory::load(counter, std::memory_order_acquire);  // C2
    };
    const std::uint64_t ordinals = load(control_->ordinals);
    return {.dropped = {load(control_->dropped[0]), load(control_->dropped[1]),
                        load(control_->dropped[2])},
            .refused = load(control_->refused),
            .ordinals = ordinals};
  }
  std::uint32_t line_count() const noexcept { return static_cast<std::uint32_t>(mask_ + 1); }

 private:
  using Sequence = typename Memory::Word;
  std::byte* line_at(std::uint64_t position) const noexcept {
    return lines_ + (position & mask_) * kLineBytes;
  }
  static Sequence& sequence_at(std::byte* line) noexcept {
    return *reinterpret_cast<Sequence*>(line);
  }

  // An unpublished line holds what the lap before left there; zero in the first lap.
  bool sequence_is_possible(std::byte* line) const noexcept {
    const std::uint64_t found =
        Memory::load(sequence_at(line), std::memory_order_relaxed);  // relaxed: a sanity check
    const std::uint64_t before = next_ > mask_ ? next_ - mask_ : 0;  // next_ + 1 − line_count
    return found == before || found == next_ + 1;                    // published since R1 looked
  }

  std::byte* lines_ = nullptr;
  std::uint64_t mask_ = 0;
  LaneControl* control_ = nullptr;
  std::uint64_t next_ = 0;
};
using LaneReader = BasicLaneReader<LaneMemory>;

}  // namespace ddt
