// tests/support/killed_bots.hpp — bots that do nothing but publish, each over a Lane of its own, killed in the middle
// of it; and who judges what they leave.
//
// A bot writes down what it is about to ask and what it was answered, in memory that outlives it. Every Record's
// payload follows from its number, so what lies in the Lane must be whole to the last byte, consecutive, and end
// with what was answered last or the one that was asked behind it. The bot gives lines back itself and naps never: all
// its time is publishing, and so is the moment of its death.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "shm/base/clock.hpp"
#include "shm/lane.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/single_step.hpp"

namespace ddt::test {

// ── memories that keep another order ─────────────────────────────────────────────────────────────

enum class Shuffle : std::uint8_t {
  first_sequence_first,  // published, and only then written
  later_lines_last,      // the first line is published before the later ones are there
  ordinals_first,        // a refusal has its ordinal before it is counted
};

// What a Lane does when its stores reach the memory in another order than they stand in shm/lane.hpp.
template <Shuffle kShuffle>
struct ShuffledMemory : LaneMemory {
  static void store(Word& word, std::uint64_t value, std::memory_order order) noexcept {
    if (kShuffle == Shuffle::ordinals_first) return store_count(word, value, order);
    if (order == std::memory_order_relaxed) return keep(&word, value, sizeof value);
    auto* line = reinterpret_cast<std::byte*>(&word);
    if (kShuffle == Shuffle::later_lines_last) {
      for (std::size_t i = 0; i < kept; ++i) {
        if (is_in_line(i, line)) perform(i);
      }
    }
    LaneMemory::store(word, value, order);
    for (std::size_t i = 0; i < kept; ++i) {
      if (kShuffle != Shuffle::later_lines_last || !is_in_line(i, line)) perform(i);
    }
    kept = 0;
  }
  static void store_word(std::byte* to, std::uint64_t word) noexcept {
    kShuffle == Shuffle::ordinals_first ? LaneMemory::store_word(to, word)
                                        : keep(to, word, sizeof word);
  }
  static void store_byte(std::byte* to, std::byte byte) noexcept {
    kShuffle == Shuffle::ordinals_first ? LaneMemory::store_byte(to, byte)
                                        : keep(to, static_cast<std::uint64_t>(byte), sizeof byte);
  }

  static inline LaneControl* control = nullptr;  // whose ordinals

 private:
  struct Kept {
    std::byte* to;
    std::uint64_t value;
    std::size_t bytes;
  };
  static void keep(void* to, std::uint64_t value, std::size_t bytes) noexcept {
    all[kept++] = {static_cast<std::byte*>(to), value, bytes};
  }
  static void perform(std::size_t i) noexcept {
    std::memcpy(all[i].to, &all[i].value, all[i].bytes);
  }
  static bool is_in_line(std::size_t i, const std::byte* line) noexcept {
    return all[i].to >= line && all[i].to < line + kLineBytes;
  }
  // The count waits for the ordinals that come behind it.
  static void store_count(Word& word, std::uint64_t value, std::memory_order order) noexcept {
    const bool is_count = &word == &control->refused ||
                          (&word >= control->dropped && &word < control->dropped + kRecordClasses);
    if (is_count) return keep(&word, value, sizeof value);
    LaneMemory::store(word, value, order);
    for (std::size_t i = 0; i < kept; ++i) perform(i);
    kept = 0;
  }
  static inline std::array<Kept, kRecordLinesMax * kLineBytes / sizeof(std::uint64_t)> all{};
  static inline std::size_t kept = 0;
};

// ── a bot ────────────────────────────────────────────────────────────────────────────────────────

enum class Life : std::uint8_t { long_records, short_records, refusals };
inline constexpr std::size_t kLives = 3;

inline constexpr std::uint32_t kBotLines = 256;

// Shared with the bot, and there when it is gone.
struct BotLane {
  LaneControl control;
  alignas(kLineBytes) std::byte lines[kBotLines * kLineBytes];
  std::atomic<std::uint64_t> asked, answered;
};

// Payloads that tell their Record: word i of Record n.
constexpr std::uint64_t word_of(std::uint64_t n, std::uint64_t i) noexcept {
  const std::uint64_t z = (n * 0x9E3779B97F4A7C15ULL) ^ (i * 0xBF58476D1CE4E5B9ULL);
  return z ^ (z >> 31U);
}
// Of one line in a life of short Records, else of 17 to 32.
constexpr std::size_t words_of(Life life, std::uint64_t n) noexcept {
  constexpr std::size_t kMax = kPayloadBytesMax / sizeof(std::uint64_t);
  return life == Life::short_records || life == Life::refusals ? 3 : kMax - n * 7 % (kMax / 2);
}

// Publishes until it is killed.
template <typename Memory>
[[noreturn]] void live(BotLane& lane, Life life) {
  if constexpr (requires { Memory::control; }) Memory::control = &lane.control;
  BasicLaneWriter<Memory> writer(lane.lines, kBotLines, &lane.control);
  std::array<std::uint64_t, kPayloadBytesMax / sizeof(std::uint64_t)> payload;
  std::uint64_t n = 0, attempts = 0, mark = 0, mark_before = 0;
  for (;; ++attempts) {
    const RecordStamp stamp{
        .kind = RecordKind::trade, .flags = 0, .script = 1, .profile_id = 7, .stamp = n};
    const std::size_t words = words_of(life, n);
    for (std::size_t i = 0; i < words; ++i) payload[i] = word_of(n, i);
    lane.asked.store(attempts + 1, std::memory_order_release);
    bool is_published = false;
    if (life == Life::refusals && attempts % 2 == 1) {
      writer.count_refused();
    } else if (words == 3) {
      is_published = writer.try_publish(stamp, FirstPayload{payload[0], payload[1], payload[2]}) ==
                     Publish::ok;
    } else {
      is_published =
          writer.try_publish(stamp, payload.data(), words * sizeof payload[0]) == Publish::ok;
    }
    lane.answered.store(attempts + 1, std::memory_order_release);
    if (is_published) ++n;
    if (life == Life::refusals) continue;  // soon it is full
    if (writer.position() - mark < kBotLines / 8) continue;
    lane.control.released.store(mark_before, std::memory_order_release);  // as a sidecar would
    mark_before = mark;
    mark = writer.position();
  }
}

// What is wrong with what a bot has left; "" for nothing.
inline std::string judge(BotLane& lane, Life life) {
  LaneReader reader(lane.lines, kBotLines, &lane.control, lane.control.released.load());
  RecordCopy copy{};
  bool is_first = true;
  std::uint64_t published = 0;  // by the last Record there is
  for (;;) {
    const Peeked peeked = reader.read(copy);
    if (peeked == Peeked::empty) break;
    if (peeked == Peeked::corrupt) return "corrupt behind Record " + std::to_string(published);
    const std::uint64_t n = copy.head.ordinal - copy.head.refused;
    if (!is_first && n != published) return "Record " + std::to_string(published) + " is another";
    const std::size_t words = words_of(life, n);
    if (copy.head.stamp != n || copy.lines != lines_for(words * sizeof(std::uint64_t)))
      return "the head of Record " + std::to_string(n) + " is not whole";
    for (std::size_t i = 0; i < words; ++i) {
      std::uint64_t word;
      std::memcpy(&word, copy.payload.data() + i * sizeof word, sizeof word);
      if (word != word_of(n, i)) return "Record " + std::to_string(n) + " is not whole";
    }
    published = n + 1;
    is_first = false;
  }
  const LaneCounters counters = reader.counters();
  const std::uint64_t refused =
      counters.refused + counters.dropped[0] + counters.dropped[1] + counters.dropped[2];
  if (life != Life::refusals && refused != 0) return "it was refused where there was room";
  if (counters.ordinals > published + refused) return "an ordinal was given for nothing";
  const std::uint64_t all = published + refused;
  const std::uint64_t answered = lane.answered.load(), asked = lane.asked.load();
  if (all < answered || all > asked)
    return std::to_string(all) + " are there of " + std::to_string(answered) + " answered, " +
           std::to_string(asked) + " asked";
  return "";
}

// ── eight of them ────────────────────────────────────────────────────────────────────────────────

struct Killing {
  int kills = 0;
  int unanswered = 0;  // of them between a question and its answer
  std::string found;   // what the first bot has left that it must not; "" for nothing
  std::string in;      // its life
};

// Kills bots that live at once, half of them and more at a time, until one leaves what it must not. Those that have
// no processor at that moment lost it in the middle of something, too.
template <typename Memory>
Killing kill_bots(int kills_max, std::uint32_t seed) {
  constexpr std::size_t kBots = 8;
  constexpr std::int64_t kPatienceNs = 60 * kNsPerSecond;
  static constexpr const char* kLifeNames[kLives] = {"long Records", "short Records", "refusals"};
  const SharedValue<std::array<BotLane, kBots>> lanes;
  std::array<std::unique_ptr<ChildProcess>, kBots> bots;
  std::array<Life, kBots> lives{};
  std::mt19937 random(seed);
  std::uint32_t next_life = 0;
  const auto start = [&](std::size_t bot) {
    BotLane& lane = (*lanes)[bot];
    std::memset(static_cast<void*>(&lane), 0, sizeof lane);
    lives[bot] = static_cast<Life>(next_life++ % kLives);
    bots[bot] = std::make_unique<ChildProcess>([&]() -> int { live<Memory>(lane, lives[bot]); });
  };
  const auto those_that_speak = [&] {
    std::vector<std::size_t> speaking;
    const std::int64_t end = monotonic_ns() + kPatienceNs;
    while (speaking.size() < kBots / 2 && monotonic_ns() < end) {
      ::usleep(static_cast<useconds_t>(random() % 200));
      speaking.clear();
      for (std::size_t bot = 0; bot < kBots; ++bot) {
        if ((*lanes)[bot].answered.load() != 0) speaking.push_back(bot);
      }
    }
    return speaking;
  };
  for (std::size_t bot = 0; bot < kBots; ++bot) start(bot);
  Killing killing;
  while (killing.kills < kills_max) {
    const std::vector<std::size_t> victims = those_that_speak();
    if (victims.size() < kBots / 2) return {killing.kills, killing.unanswered, "few speak", ""};
    for (const std::size_t bot : victims) ::kill(bots[bot]->pid(), SIGKILL);
    for (const std::size_t bot : victims) {
      bots[bot]->kill();  // and wait until it is gone
      const BotLane& lane = (*lanes)[bot];
      ++killing.kills;
      killing.unanswered += lane.asked.load() != lane.answered.load() ? 1 : 0;
      killing.found = judge((*lanes)[bot], lives[bot]);
      if (killing.found.empty()) continue;
      killing.in = kLifeNames[static_cast<std::size_t>(lives[bot])];
      return killing;
    }
    for (const std::size_t bot : victims) start(bot);
  }
  return killing;
}

}  // namespace ddt::test
