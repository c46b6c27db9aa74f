// tests/model/lane_memory.hpp — a memory for BasicLaneWriter/BasicLaneReader in which every access is a step.
//
// Both sides of a Lane are wait-free, so a call of the real code ends whatever it reads. A call is therefore run
// from its beginning with the replies its accesses have got so far; the first access beyond them is what the side
// wants to do next, and the rest of the run goes on with zeros and is thrown away. No threads, no fibers.
//
// SharedState is what both sides see: per word every value it ever had that may still be read, with the C++ rules
// for one writer per word:
//   coherence        a load returns no value older than one this side has seen of that word
//   release/acquire  an acquire load that returns a release store's value has seen all that came before that store
//   plain words      must never be read or written but in happens-before order: else it is a data race
// Loads are otherwise free to return any older value. Processes that replace each other see all that the dead one
// did (the kernel's lock orders them); so does a reader that has seen the writer's lock free.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "shm/lane.hpp"

namespace ddt::model_check {

inline constexpr std::uint32_t kLinesMax = 4;
inline constexpr std::size_t kWordsPerLine = kLineBytes / sizeof(std::uint64_t);
inline constexpr std::size_t kControlWords = sizeof(LaneControl) / sizeof(std::uint64_t);
inline constexpr std::size_t kControlAt = kLinesMax * kWordsPerLine;
inline constexpr std::size_t kWords = kControlAt + kControlWords;
inline constexpr std::size_t kReleasedAt = kControlAt;

// Ways to break the protocol, each of which the checker must find.
enum class Mutant : std::uint8_t {
  none,
  w1_relaxed,
  r1_relaxed,
  r2_relaxed,
  w2_relaxed,
  first_line_first,        // the first line's sequence is stored before the later lines
  later_lines_unnumbered,  // later lines get no sequence word of their own
  room_without_release,    // the writer takes lines back without looking at `released`
  drop_uncounted,
  release_before_read,
  release_before_commit,
  restart_at_next,  // a new reader begins where the old one stopped reading
};

struct Access {
  enum class Kind : std::uint8_t { load, store, plain_load, plain_store, plain_store_byte };
  Kind kind;
  std::uint8_t word, byte;
  std::memory_order order;
  std::uint64_t value;
};

// One run of a call of the real code: replies so far in, the next access out.
class Run {
 public:
  // `position`: where the writer stands; none for a reader.
  Run(Mutant mutant, std::span<const std::uint64_t> replies, std::optional<std::uint64_t> position)
      : mutant_(mutant), replies_(replies), position_(position) {}
  std::uint64_t load(const void* at, std::memory_order order);
  void store(const void* at, std::uint64_t value, std::memory_order order);
  void store_word(const void* at, std::uint64_t value);
  void store_byte(const void* at, std::byte value);
  void copy_out(void* to, const std::byte* from, std::size_t bytes);
  const std::optional<Access>& next() const { return next_; }  // none: the call has ended

  // Addresses only: nothing is ever read or written there.
  alignas(kLineBytes) static inline std::byte lines[kLinesMax * kLineBytes];
  static inline LaneControl control{};
  static inline Run* current = nullptr;

 private:
  std::uint64_t perform(const Access& access);
  void perform_store(const Access& access);
  static std::uint8_t word_of(const void* at);

  Mutant mutant_;
  std::span<const std::uint64_t> replies_;
  std::optional<std::uint64_t> position_;
  std::size_t performed_ = 0;
  std::optional<Access> next_;
  std::vector<Access> held_back_;
  bool is_first_line_stored_ = false;
};

// The Memory of the ring under test.
struct CheckedMemory {
  using Word = std::atomic<std::uint64_t>;
  static std::uint64_t load(const Word& word, std::memory_order order) noexcept {
    return Run::current->load(&word, order);
  }
  static void store(Word& word, std::uint64_t value, std::memory_order order) noexcept {
    Run::current->store(&word, value, order);
  }
  static void store_word(std::byte* to, std::uint64_t word) noexcept {
    Run::current->store_word(to, word);
  }
  static void store_byte(std::byte* to, std::byte byte) noexcept {
    Run::current->store_byte(to, byte);
  }
  static void copy_out(void* to, const std::byte* from, std::size_t bytes) noexcept {
    Run::current->copy_out(to, from, bytes);
  }
};

inline std::uint8_t Run::word_of(const void* at) {
  const auto address = reinterpret_cast<std::uintptr_t>(at);
  const auto in_lines = address - reinterpret_cast<std::uintptr_t>(lines);
  if (in_lines < sizeof lines) return static_cast<std::uint8_t>(in_lines / sizeof(std::uint64_t));
  const auto in_control = address - reinterpret_cast<std::uintptr_t>(&control);
  return static_cast<std::uint8_t>(kControlAt + in_control / sizeof(std::uint64_t));
}

inline std::uint64_t Run::perform(const Access& access) {
  if (performed_ < replies_.size()) return replies_[performed_++];
  if (!next_) next_ = access;
  return 0;
}

inline void Run::perform_store(const Access& access) {
  const bool is_sequence = access.word < kControlAt && access.word % kWordsPerLine == 0;
  const bool is_later_line = position_ && access.word < kControlAt &&
                             access.word / kWordsPerLine != *position_ % kLinesMax;
  if (mutant_ == Mutant::later_lines_unnumbered && is_later_line && is_sequence) return;
  if (mutant_ == Mutant::first_line_first && is_later_line && !is_first_line_stored_) {
    held_back_.push_back(access);
    return;
  }
  perform(access);
  if (is_sequence && !is_later_line) {
    is_first_line_stored_ = true;
    for (const Access& held : held_back_) perform(held);
    held_back_.clear();
  }
}

inline std::uint64_t Run::load(const void* at, std::memory_order order) {
  const std::uint8_t word = word_of(at);
  if (mutant_ == Mutant::r1_relaxed && word < kControlAt) order = std::memory_order_relaxed;
  if (mutant_ == Mutant::w2_relaxed && word == kReleasedAt) order = std::memory_order_relaxed;
  const std::uint64_t reply =
      perform({.kind = Access::Kind::load, .word = word, .byte = 0, .order = order, .value = 0});
  if (mutant_ == Mutant::room_without_release && position_ && word == kReleasedAt)
    return *position_;
  return reply;
}

inline void Run::store(const void* at, std::uint64_t value, std::memory_order order) {
  const std::uint8_t word = word_of(at);
  if (mutant_ == Mutant::w1_relaxed && word < kControlAt) order = std::memory_order_relaxed;
  if (mutant_ == Mutant::r2_relaxed && word == kReleasedAt) order = std::memory_order_relaxed;
  constexpr std::size_t kDroppedAt = kControlAt + offsetof(LaneControl, dropped) / 8;
  if (mutant_ == Mutant::drop_uncounted && word >= kDroppedAt && word < kDroppedAt + kRecordClasses)
    return;
  perform_store(
      {.kind = Access::Kind::store, .word = word, .byte = 0, .order = order, .value = value});
}

inline void Run::store_word(const void* at, std::uint64_t value) {
  perform_store({.kind = Access::Kind::plain_store,
                 .word = word_of(at),
                 .byte = 0,
                 .order = std::memory_order_relaxed,
                 .value = value});
}

inline void Run::store_byte(const void* at, std::byte value) {
  perform_store({.kind = Access::Kind::plain_store_byte,
                 .word = word_of(at),
                 .byte = static_cast<std::uint8_t>(reinterpret_cast<std::uintptr_t>(at) % 8),
                 .order = std::memory_order_relaxed,
                 .value = std::to_integer<std::uint64_t>(value)});
}

inline void Run::copy_out(void* to, const std::byte* from, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += sizeof(std::uint64_t)) {
    const std::uint64_t word = perform({.kind = Access::Kind::plain_load,
                                        .word = word_of(from + i),
                                        .byte = 0,
                                        .order = std::memory_order_relaxed,
                                        .value = 0});
    std::memcpy(static_cast<std::byte*>(to) + i, &word, std::min(bytes - i, sizeof word));
  }
}

// ── what both sides see ──────────────────────────────────────────────────────────────────────────────

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Every value a word still has to offer: the oldest one its reader may see first, the latest last.
struct Word {
  static constexpr std::size_t kValuesMax = 6;
  std::uint64_t values[kValuesMax];
  std::uint16_t stamps[kValuesMax];  // the writing side's clock at the store
  bool releases[kValuesMax];
  std::uint8_t count;
  std::uint8_t read_at;  // the reader's clock when it last read the word plainly; 0: ordered since
};

// The writer's clock counts its stores; the reader's its stores of `released`, beginning with 1. Trivially
// copyable, without padding that differs: compared by its bytes.
struct SharedState {
  std::array<Word, kWords> words;
  std::uint16_t writer_clock, seen_of_writer;  // stores done; stores that the reader has seen
  std::uint8_t reader_clock, seen_of_reader;

  void begin();
  // The writer's store, and the reader's.
  void store(const Access& access, bool by_writer);
  // How many values a load may return, and the load of one of them (0: the oldest).
  std::size_t choices(const Access& access, bool by_writer) const;
  std::uint64_t load(const Access& access, bool by_writer, std::size_t choice);
  // The reader has seen the writer's lock free: all it did is there.
  void writer_has_ended();
  std::uint64_t latest(std::size_t word) const { return words[word].values[words[word].count - 1]; }

 private:
  static void drop_oldest(Word& word, std::size_t count);
  void forget_what_reader_has_passed();
};

inline void SharedState::begin() {
  std::memset(static_cast<void*>(this), 0, sizeof *this);
  for (Word& word : words) word.count = 1;
  reader_clock = 1;
}

inline void SharedState::drop_oldest(Word& word, std::size_t count) {
  for (std::size_t i = 0; i < word.count; ++i) {
    const bool is_kept = i + count < word.count;
    word.values[i] = is_kept ? word.values[i + count] : 0;
    word.stamps[i] = is_kept ? word.stamps[i + count] : std::uint16_t{0};
    word.releases[i] = is_kept && word.releases[i + count];
  }
  word.count = static_cast<std::uint8_t>(word.count - count);
}

inline void SharedState::store(const Access& access, bool by_writer) {
  Word& word = words[access.word];
  const bool is_plain = access.kind != Access::Kind::store;
  std::uint64_t value = access.value;
  if (access.kind == Access::Kind::plain_store_byte) {
    value = latest(access.word) & ~(std::uint64_t{0xFF} << access.byte * 8U);
    value |= access.value << access.byte * 8U;
  }
  if (by_writer) {
    ++writer_clock;
    if (word.read_at > seen_of_reader)
      throw Violation("data race: a word is overwritten that may still be read");
  }
  // Nobody but its writer loads a plain word's older values: a plain load of one is a race and found as such. The
  // counters are read when the writer has ended.
  const bool keeps_history = !is_plain && (access.word < kControlAt || access.word == kReleasedAt);
  if (!keeps_history) word.count = 0;
  if (word.count == Word::kValuesMax) throw std::logic_error("model: more values than are kept");
  word.values[word.count] = value;
  word.stamps[word.count] = by_writer ? writer_clock : reader_clock;
  word.releases[word.count] = !is_plain && access.order == std::memory_order_release;
  ++word.count;
  if (!by_writer) ++reader_clock;
}

inline std::size_t SharedState::choices(const Access& access, bool by_writer) const {
  const bool is_own = by_writer == (access.word != kReleasedAt);
  return access.kind == Access::Kind::load && !is_own ? words[access.word].count : 1;
}

inline std::uint64_t SharedState::load(const Access& access, bool by_writer, std::size_t choice) {
  Word& word = words[access.word];
  const bool is_own = by_writer == (access.word != kReleasedAt);
  if (is_own) return latest(access.word);
  if (access.kind == Access::Kind::plain_load) {
    if (word.stamps[word.count - 1] > seen_of_writer)
      throw Violation("data race: a word is read that may still be written");
    word.read_at = reader_clock;
    return latest(access.word);
  }
  drop_oldest(word, choice);  // coherence: older ones are gone for this side
  if (access.order == std::memory_order_acquire && word.releases[0]) {
    if (by_writer) {
      seen_of_reader = std::max(seen_of_reader, static_cast<std::uint8_t>(word.stamps[0]));
      for (Word& other : words) {
        if (other.read_at <= seen_of_reader) other.read_at = 0;
      }
    } else {
      seen_of_writer = std::max(seen_of_writer, word.stamps[0]);
      forget_what_reader_has_passed();
    }
  }
  return word.values[0];
}

inline void SharedState::forget_what_reader_has_passed() {
  for (std::size_t w = 0; w < kWords; ++w) {
    if (w == kReleasedAt) continue;
    Word& word = words[w];
    std::size_t passed = 0;
    while (passed + 1 < word.count && word.stamps[passed + 1] <= seen_of_writer) ++passed;
    drop_oldest(word, passed);
  }
}

inline void SharedState::writer_has_ended() {
  seen_of_writer = writer_clock;
  forget_what_reader_has_passed();
}

}  // namespace ddt::model_check
