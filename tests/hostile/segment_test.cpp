// A fuzzer of Segments: random bytes, impossible Records and files that shrink, against the real drain.
//
// Each round makes a hostile Segment that says a few honest things, mutates it, and lets the drain take turns beside
// three honest bots. Whatever is written: nothing crashes or reads outside (the sanitizers watch), a turn reads no
// more Records than its Segments may give, every honest Record is in a Block after the same turn, a journal entry
// of all these Blocks can be read again, every Lane's account adds up, and the Segment goes with its owner.
//
// Settings  DDT_HOSTILE_MUTATIONS (10,000,000), DDT_HOSTILE_SEED (1). A round repeats alone by its seed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ddt/telemetry.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "shm/base/clock.hpp"
#include "shm/base/utf8.hpp"
#include "sidecar/drain/drain.hpp"
#include "sidecar/model/codec.hpp"
#include "tests/support/hostile_segment.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::uint32_t kLines = kLaneLinesMin;
constexpr std::int32_t kHonestBots = 3;
constexpr std::int32_t kHostileProfile = 1'000;
constexpr int kHonestRecordsPerTurn = 2;
constexpr std::int64_t kTurnNs = 1'000'000'000;
constexpr std::int64_t kScanIntervalNs = 2 * kTurnNs;  // every other turn looks at news only
constexpr std::uint64_t kRecordsPerVisitMax = 4'096;   // as in drain.cpp
constexpr std::uint32_t kHostileLanes = 2;
constexpr std::size_t kHostileBytes = kLanesOffset + kHostileLanes * kLines * kLineBytes;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// splitmix64: the same numbers everywhere, from any seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }
  std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
  // Numbers at which code breaks, and others.
  std::uint64_t nasty() noexcept {
    switch (below(8)) {
      case 0:
        return 0;
      case 1:
        return ~std::uint64_t{0};
      case 2:
        return std::uint64_t{1} << below(64);
      case 3:
        return (std::uint64_t{1} << below(64)) - 1;
      case 4:
        return below(300);
      case 5:
        return 0x8000000000000000ULL;  // INT64_MIN: "not said"
      default:
        return next();
    }
  }

 private:
  std::uint64_t state_;
};

// Honest bots, a drain, and MySQL played by hand.
class World {
 public:
  World() {
    spdlog::set_level(spdlog::level::off);
    config_.directory = directory_.path();
    config_.round_interval_ns = config_.flush_interval_ns = 0;
    config_.scan_interval_ns = kScanIntervalNs;
    for (std::int32_t i = 0; i < kHonestBots; ++i) {
      honest_.push_back(std::make_unique<Telemetry>(TelemetryOptions{.profile_id = i + 1,
                                                                     .script_name = "order_monitor",
                                                                     .directory = config_.directory,
                                                                     .lane_lines = 1'024}));
    }
    const auto names = segment_names(config_.directory);
    if (names) honest_names_ = *names;  // nobody else is there yet
    drain_.emplace(config_, std::map<model::LaneName, StartPosition>{}, batches_, exchange_);
  }
  ~World() { spdlog::set_level(spdlog::level::info); }

  const std::string& directory() const { return config_.directory; }

  void publish_honestly() {
    for (const auto& bot : honest_) {
      for (int i = 0; i < kHonestRecordsPerTurn; ++i) {
        ASSERT_EQ(bot->publish(Latency{.duration_ns = 1 + said_ % 1'000'003, .outcome = 200}),
                  Published::ok);
        sum_said_ += 1 + said_++ % 1'000'003;
      }
    }
  }

  // One turn. False once a property does not hold.
  bool turn() {
    now_ns_ += kTurnNs;
    exchange_.mysql_committed_at_ns = now_ns_;
    const std::uint64_t before = drain_->counters().records;
    drain_->work(now_ns_);
    const std::uint64_t records = drain_->counters().records - before;
    if (records > kRecordsPerVisitMax + kHonestBots * kHonestRecordsPerTurn) return wrong("spins");
    while (auto batch = batches_.pop()) {
      if (!store(*batch)) return false;
      batches_.done(*batch);
    }
    for (Retirement& retirement : exchange_.retirements.take())
      exchange_.retired.put(std::move(retirement));
    exchange_.ended.take();
    if (stored_ != static_cast<std::uint64_t>(said_) || sum_stored_ != sum_said_)
      return wrong("loses honest Records");
    return accounts_add_up();
  }

  // MySQL has none of the hostile Lanes until it is told so: what they hold may be asked for again.
  bool holds_hostile() const { return holds_hostile_; }
  void hold_hostile(bool holds) {
    holds_hostile_ = holds;
    if (!holds) exchange_.committed.put_all(std::exchange(held_, {}));
  }
  // All that was read of the hostile Lanes is lost in Redis: read again or called lost, it is as much as before.
  bool fill_hostile() {
    const auto views = exchange_.views();
    for (const LaneView& view : *views) {
      if (view.profile_id != kHostileProfile) continue;
      const Stored& lane = lanes_[view.lane];
      if (lane.has_gap) continue;
      std::uint64_t from = 0, counted = 0;
      while (from < lane.to) {
        exchange_.fill_requests.put(
            {.lane = view.lane, .from = from, .to = lane.to, .published_before = counted});
        drain_->work(now_ns_);
        const std::vector<FillAnswer> answers = exchange_.fill_answers.take();
        if (answers.size() != 1 || answers[0].from != from) return wrong("a fill is not answered");
        const FillAnswer& answer = answers[0];
        std::uint64_t to = answer.lost_to;
        counted += answer.lost_records;
        if (answer.block && answer.block->to > answer.block->from) {
          const model::Block& block = *answer.block;
          if (block.from != to) return wrong("a fill does not continue");
          to = block.to;
          counted += block.samples + block.states + block.facts + block.rejected.size();
        }
        if (to <= from || to > lane.to) return wrong("a fill does not end");
        from = to;
      }
      if (counted != lane.records) return wrong("a fill does not add up");
    }
    return true;
  }

  bool is_gone(const std::string& name) const { return ::access(name.c_str(), F_OK) != 0; }
  std::map<std::string, std::uint64_t> reasons() const { return reasons_; }
  const DrainCounters& counters() const { return drain_->counters(); }
  std::uint64_t stored() const { return stored_; }
  const std::string& problem() const { return problem_; }
  void note_reasons() {
    const auto views = exchange_.views();
    for (const LaneView& view : *views) {
      if (view.quarantine_reason.empty()) continue;
      ++reasons_[view.quarantine_reason.substr(0, view.quarantine_reason.find(" at position"))];
    }
  }

 private:
  struct Stored {
    std::uint64_t to = 0, records = 0;
    // It begins behind 0: its `released` was written over before it was opened. What is before it is a gap, which
    // the rollup asks about; here nobody does.
    bool has_gap = false;
  };

  bool wrong(std::string what) {
    problem_ = std::move(what);
    return false;
  }

  bool store(const Batch& batch) {
    const auto decoded = model::decode_entry(model::encode_entry(batch.blocks));
    if (!decoded || decoded->size() != batch.blocks.size())
      return wrong("entry cannot be read again");
    for (const model::Block& block : batch.blocks) {
      const std::uint64_t records =
          block.samples + block.states + block.facts + block.rejected.size();
      Stored& lane = lanes_[block.lane];
      if (lane.to == 0 && block.from != 0 && !is_honest(block.segment_name)) {
        lane.to = block.from;
        lane.has_gap = true;
      }
      if (block.from != lane.to || block.to < block.from) return wrong("Blocks do not continue");
      if (block.to - block.from < records) return wrong("more Records than lines");
      lane.to = block.to;
      lane.records += records;
      if (is_honest(block.segment_name)) {
        stored_ += records;
        for (const model::LatencyMinute& minute : block.latency_minutes)
          sum_stored_ += static_cast<std::int64_t>(minute.summary.sum_ns);
      }
      if (!has_good_names(block)) return wrong("a name that no store takes");
      const LaneCommit commit{.lane = block.lane, .position = block.to, .counts = block.counts};
      if (holds_hostile_ && block.profile_id == kHostileProfile) {
        held_.push_back(commit);
      } else {
        exchange_.committed.put(commit);
      }
    }
    return true;
  }
  static bool has_good_names(const model::Block& block) {
    const auto is_script = [](const std::string& name) {
      return name.size() <= kWordBytesMax && is_utf8(name);
    };
    bool are_good = is_script(block.script_name);
    for (const model::LatencyMinute& one : block.latency_minutes)
      are_good = are_good && is_script(one.script_name) && is_utf8(one.endpoint);
    for (const model::MetricHour& one : block.metric_hours)
      are_good = are_good && is_script(one.script_name) && is_utf8(one.name);
    for (const auto* events : {&block.fact_events, &block.latest_states, &block.hour_states}) {
      for (const model::Event& event : *events)
        are_good = are_good && is_script(model::origin_of(event).script_name);
    }
    return are_good;
  }
  bool is_honest(const std::string& segment_name) const {
    return std::ranges::find(honest_names_, segment_name) != honest_names_.end();
  }
  bool accounts_add_up() {
    const auto views = exchange_.views();
    for (const LaneView& view : *views) {
      const model::LaneCounts& counts = view.counts;
      const std::uint64_t refused =
          counts.dropped_samples + counts.dropped_states + counts.dropped_facts + counts.refused;
      const Stored& lane = lanes_[view.lane];
      if (!lane.has_gap && view.published != lane.records)
        return wrong("the ledger: read is not stored");
      if (lane.records != 0 && view.produced != view.published + refused)
        return wrong("the ledger does not add up");
      if (view.produced > 5 * 1'000'000'000'000'000ULL)
        return wrong("the ledger believes anything");
    }
    return true;
  }

  test::TempDirectory directory_;
  DrainConfig config_;
  BatchQueue batches_{64U << 20};
  Exchange exchange_;
  std::vector<std::unique_ptr<Telemetry>> honest_;
  std::vector<std::string> honest_names_;
  std::optional<Drain> drain_;
  std::int64_t now_ns_ = monotonic_ns();
  std::int64_t said_ = 0, sum_said_ = 0, sum_stored_ = 0;
  std::uint64_t stored_ = 0;
  std::map<model::LaneName, Stored> lanes_;
  bool holds_hostile_ = false;
  std::vector<LaneCommit> held_;
  std::map<std::string, std::uint64_t> reasons_;
  std::string problem_;
};

// A Segment whose bot has gone mad, and a hand in its file.
class HostileBot {
 public:
  HostileBot(const std::string& directory, Random& random) : random_(random) {
    auto made = SegmentWriter::create({.directory = directory,
                                       .profile_id = kHostileProfile,
                                       .lane_lines = kLines,
                                       .names = {"mad", "POST /orders"},
                                       .script_name = 1});
    if (!made) return;
    segment_.emplace(std::move(*made));
    for (std::uint32_t i = 0; i < kHostileLanes; ++i) {
      if (auto lane = segment_->claim_lane()) lanes_.push_back(*lane);
    }
    hand_.emplace(segment_->path(), kLines);
  }
  bool is_ready() const { return segment_ && lanes_.size() == kHostileLanes; }
  const std::string& path() const { return segment_->path(); }
  std::uint64_t mutations() const { return mutations_; }

  // Records as an honest writer makes them, but for what they say.
  void publish(int count) {
    if (is_cut_) return;  // it would be dead by now
    for (int i = 0; i < count; ++i) {
      LaneWriter& lane = lanes_[random_.below(kHostileLanes)];
      std::uint64_t words[kPayloadBytesMax / sizeof(std::uint64_t)];
      const std::size_t used = random_.below(24) == 0 ? std::size(words) : 16;
      for (std::size_t w = 0; w < used; ++w) words[w] = random_.below(3) == 0 ? random_.nasty() : 0;
      const std::size_t bytes =
          random_.below(used * sizeof(std::uint64_t) - kFirstPayloadBytes) + kFirstPayloadBytes;
      const RecordStamp stamp{
          .kind = static_cast<RecordKind>(random_.below(12)),
          .flags = random_.below(2) == 0 ? kEventTimeGiven : std::uint8_t{0},
          .script = static_cast<std::uint16_t>(random_.below(4)),
          .profile_id = static_cast<std::int32_t>(random_.nasty() | 1U),
          .stamp = random_.below(2) == 0 ? static_cast<std::uint64_t>(wall_ns()) : random_.nasty()};
      lane.try_publish(stamp, words, bytes);
      mutations_ += used;
    }
  }

  // Bytes and words anywhere in the header, the tables and the Lanes, or in one of them.
  void scribble(std::uint64_t count) {
    constexpr std::size_t kBounds[] = {0, kNameTableOffset, kLaneTableOffset, kLanesOffset,
                                       kHostileBytes};
    const std::size_t part = random_.below(5);
    const std::size_t from = part == 4 ? 0 : kBounds[part];
    const std::size_t to = part == 4 ? kHostileBytes : kBounds[part + 1];
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t what = random_.next();
      if ((what & 1U) != 0) {
        hand_->write(from + random_.below(to - from), static_cast<std::uint8_t>(what >> 8U));
      } else {
        hand_->write(from + random_.below(to - from - 8), random_.nasty());
      }
    }
    mutations_ += count;
  }
  // The same where it matters most: counts, positions, the tables' first entries.
  void scribble_words(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::size_t control =
          test::HostileHand::control(static_cast<std::uint32_t>(random_.below(kHostileLanes)));
      switch (random_.below(6)) {
        case 0:
          hand_->write(control + random_.below(2 * kLineBytes - 8), random_.nasty());
          break;
        case 1:
          hand_->write(offsetof(SegmentHeader, name_count) + random_.below(3) * 4,
                       static_cast<std::uint32_t>(random_.nasty()));
          break;
        case 2:
          hand_->write(kNameTableOffset + random_.below(4 * sizeof(NameEntry)),
                       static_cast<std::uint8_t>(random_.next()));
          break;
        case 3:
          hand_->write(offsetof(SegmentHeader, calibration) + random_.below(6) * 8,
                       random_.nasty());
          break;
        default:
          hand_->write(random_.below(offsetof(SegmentHeader, calibration)),
                       static_cast<std::uint8_t>(random_.next()));
      }
    }
    mutations_ += count;
  }
  // Whole Records behind what was published, with sequence words that fit and heads and payloads that need not.
  void forge(std::uint64_t count) {
    const auto lane = static_cast<std::uint32_t>(random_.below(kHostileLanes));
    std::uint64_t position = lanes_[lane].position();
    for (std::uint64_t i = 0; i < count && i < kLines / 2; ++i) {
      const std::size_t line = hand_->line(lane, position + i);
      for (std::size_t word = 1; word < kLineBytes / 8; ++word)
        hand_->write(line + word * 8, random_.nasty());
      if (random_.below(4) != 0) {
        const std::uint64_t refused = random_.below(8) == 0 ? random_.below(4) : 0;
        hand_->write(line + offsetof(RecordHead, ordinal), position + i + refused);
        hand_->write(line + offsetof(RecordHead, refused), refused);
        hand_->write(line + offsetof(RecordHead, kind),
                     static_cast<std::uint8_t>(random_.below(12)));
        hand_->write(line + offsetof(RecordHead, lines),
                     static_cast<std::uint8_t>(random_.below(4)));
      }
      hand_->write(line, position + i + 1);
      mutations_ += 8;
    }
  }
  // Bytes of what was published and not yet read.
  void flip(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto lane = static_cast<std::uint32_t>(random_.below(kHostileLanes));
      hand_->write(lane_offset(lane, kLines) + random_.below(kLines * kLineBytes),
                   static_cast<std::uint8_t>(random_.next()));
    }
    mutations_ += count;
  }
  void cut() {
    const std::size_t whole = segment_bytes(kLines);
    hand_->truncate(random_.below(3) == 0 ? 0 : random_.below(kHostileBytes));
    if (random_.below(2) == 0)
      hand_->truncate(random_.below(2) == 0 ? whole : random_.below(whole));
    ++mutations_;
    is_cut_ = true;
  }
  bool is_cut() const { return is_cut_; }

  void mutate() {
    switch (random_.below(8)) {
      case 0:
        return scribble(1 + random_.below(4'000));
      case 1:
        return scribble_words(1 + random_.below(4));
      case 2:
      case 3:
        publish(30);
        return flip(1 + random_.below(40));
      case 4:
      case 5:
        return forge(1 + random_.below(kLines));
      case 6:
        publish(60);
        return scribble_words(1);
      default:
        publish(20);
        if (random_.below(4) == 0) return cut();
        return scribble(1 + random_.below(2'000));
    }
  }

 private:
  Random& random_;
  std::optional<SegmentWriter> segment_;
  std::vector<LaneWriter> lanes_;
  std::optional<test::HostileHand> hand_;
  std::uint64_t mutations_ = 0;
  bool is_cut_ = false;
};

// What a round found wrong, "" for nothing.
std::string play_round(World& world, std::uint64_t seed, std::uint64_t& mutations) {
  Random random(seed);
  std::string path;
  const std::uint64_t refused_before = world.counters().refused_segments;
  {
    HostileBot bot(world.directory(), random);
    if (!bot.is_ready()) return "no hostile Segment";
    path = bot.path();
    bot.publish(static_cast<int>(random.below(20)));
    if (random.below(8) == 0) bot.mutate();  // before it is opened
    world.hold_hostile(random.below(2) == 0);
    for (int i = 0; i < 4; ++i) {
      world.publish_honestly();
      if (!world.turn()) return world.problem();
      bot.mutate();
    }
    world.publish_honestly();
    if (!world.turn()) return world.problem();
    world.note_reasons();
    if (world.holds_hostile() && !world.fill_hostile()) return world.problem();
    world.hold_hostile(false);
    mutations += bot.mutations();
  }
  if (world.counters().refused_segments > refused_before)
    ::unlink(path.c_str());  // it stays for ten minutes
  for (int i = 0; i < 8 && !world.is_gone(path); ++i) {
    if (!world.turn()) return world.problem();
  }
  if (!world.is_gone(path)) return "stays when its owner is gone";
  return world.turn() ? "" : world.problem();
}

TEST(HostileSegment, HurtsNobodyWhateverIsWrittenIntoIt) {
  const std::uint64_t wanted = setting("DDT_HOSTILE_MUTATIONS", 10'000'000);
  const std::uint64_t first_seed = setting("DDT_HOSTILE_SEED", 1);
  std::printf("seed %llu, %llu mutations\n", static_cast<unsigned long long>(first_seed),
              static_cast<unsigned long long>(wanted));
  World world;
  std::uint64_t mutations = 0, rounds = 0;
  while (mutations < wanted) {
    const std::uint64_t seed = first_seed + rounds;
    const std::string problem = play_round(world, seed, mutations);
    ASSERT_EQ(problem, "") << "DDT_HOSTILE_SEED=" << seed;
    ++rounds;
  }
  EXPECT_GE(mutations, wanted);
  std::printf("%llu rounds, %llu mutations, %llu honest Records\n",
              static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(mutations),
              static_cast<unsigned long long>(world.stored()));
  for (const auto& [reason, lanes] : world.reasons())
    std::printf("%8llu Lanes: %s\n", static_cast<unsigned long long>(lanes), reason.c_str());
  const DrainCounters& counters = world.counters();
  EXPECT_GT(counters.rejected, 0U)
      << "no Record was decoded badly: the fuzzer does not reach that far";
  EXPECT_GT(counters.quarantined_segments, 0U);
  EXPECT_GT(counters.refused_segments, 0U);
  if (wanted >= 1'000'000) {
    EXPECT_GE(world.reasons().size(), 6U) << "the fuzzer does not reach every check";
  }
}

// The same while the drain reads: two threads write and cut at any time.
TEST(HostileSegment, HurtsNobodyWhileItIsRead) {
  constexpr int kRounds = 40;
  const std::uint64_t first_seed = setting("DDT_HOSTILE_SEED", 1);
  World world;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    Random random(first_seed + round);
    std::string path;
    {
      HostileBot bot(world.directory(), random);
      ASSERT_TRUE(bot.is_ready());
      path = bot.path();
      bot.publish(40);
      // Opened by the second turn, before there is anything wrong with its header.
      ASSERT_TRUE(world.turn() && world.turn()) << world.problem();
      std::atomic<bool> stops{false};
      std::vector<std::thread> hands;
      for (std::uint64_t i = 0; i < 2; ++i) {
        hands.emplace_back([&, i] {
          const test::HostileHand hand(path, kLines);
          Random chance(first_seed + round * 2 + i);
          while (!stops) {
            // Words as wholes: what is torn in two is for the fuzzer above.
            const std::size_t at = chance.below(kHostileBytes / 8) * 8;
            std::atomic_ref(*reinterpret_cast<std::uint64_t*>(hand.at(at)))
                .store(chance.nasty(), std::memory_order_relaxed);  // relaxed: chaos
            if (round % 2 == 1 && chance.below(2'000) == 0) {
              stops = true;
              hand.truncate(chance.below(kHostileBytes));
            }
          }
        });
      }
      bool holds = true;
      for (int i = 0; i < 30 && holds; ++i) {
        world.publish_honestly();
        holds = world.turn();
      }
      stops = true;
      for (std::thread& hand : hands) hand.join();
      ASSERT_TRUE(holds) << world.problem() << ", DDT_HOSTILE_SEED=" << first_seed + round;
    }
    for (int i = 0; i < 8 && !world.is_gone(path); ++i)
      ASSERT_TRUE(world.turn()) << world.problem();
    ASSERT_TRUE(world.is_gone(path)) << "round " << round;
  }
}

}  // namespace
}  // namespace ddt::sidecar
