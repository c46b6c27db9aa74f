// The fenced append and the reading of the Journal, against a real server.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "sidecar/redis/journal.hpp"
#include "tests/support/private_redis.hpp"

namespace ddt::redis {
namespace {

using namespace std::chrono_literals;

model::LaneName lane(std::uint8_t segment, std::uint32_t number) {
  model::LaneName name;
  name.segment_id.fill(segment);
  name.lane = number;
  return name;
}

LiveCommand latest(const std::string& key, std::int64_t time_ns, const std::string& rest) {
  const std::string value = "{\"event_time_ns\":\"" + std::to_string(time_ns) + "\"," + rest + "}";
  return {LiveCommand::Kind::latest, {key, value}, time_ns, kLiveTtlS};
}

class RedisJournal : public ::testing::Test {
 protected:
  JournalWriter writer(ConnectOptions options) {
    Result<JournalWriter> made = JournalWriter::connect(options, keys_);
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }
  JournalWriter writer() { return writer(server_.options()); }
  JournalReader reader() {
    Result<JournalReader> made = JournalReader::connect(server_.options(), keys_);
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }
  static Result<Appended> append(JournalWriter& to, const std::string& entry,
                                 std::uint64_t position, const LivePart& live = {}) {
    const LanePosition moved{lane(1, 0), position};
    return to.append(entry, {&moved, 1}, live);
  }
  std::int64_t length() { return server_.client().run({"XLEN", keys_.journal})->integer; }
  std::string text(const Command& command) { return server_.client().run(command)->text; }
  static std::uint64_t position_in(JournalWriter& of) {
    const Result<Positions> positions = of.acknowledged_positions();
    return positions && positions->contains(lane(1, 0)) ? positions->at(lane(1, 0)).position : 0;
  }
  // The entries begin with their own positions: 1, 2, … in order, none missing up to `position`.
  void expect_entries_up_to(std::uint64_t position) {
    std::uint64_t seen = 0;
    const Result<JournalPage> page = reader().read_after(kJournalStart, 1'000'000, 64U << 20);
    ASSERT_TRUE(page) << page.error().message;
    for (const RawEntry& entry : page->entries) {
      const std::uint64_t own = std::stoull(entry.bytes);
      EXPECT_LE(own, seen + 1) << "an entry is missing before this one";
      seen = std::max(seen, own);
    }
    EXPECT_GE(seen, position);
  }
  // As a kill between two pages of a write would leave it.
  void cut_append_file_inside(const std::string& command) {
    for (const auto& file : std::filesystem::recursive_directory_iterator(server_.directory())) {
      if (!file.path().string().ends_with(".incr.aof")) continue;
      std::ifstream in(file.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(in)), {});
      std::filesystem::resize_file(file.path(), bytes.rfind("$4\r\n" + command) + 6);
      return;
    }
    FAIL() << "no append file";
  }

  test::PrivateRedis server_;
  SidecarKeys keys_{"test-1"};
};

TEST_F(RedisJournal, EntryAndPositionsLandTogetherAndAreReadBack) {
  JournalWriter to = writer();
  EXPECT_TRUE(to.acknowledged_positions()->empty());
  const std::string bytes("\0\xff binary \r\n", 12);
  std::vector<LanePosition> positions;
  for (std::uint32_t i = 0; i < 2'500; ++i)
    positions.push_back({lane(7, i), 1'000'000'000'000U + i});
  const Result<Appended> appended = to.append(bytes, positions, {});
  ASSERT_TRUE(appended) << appended.error().message;
  EXPECT_EQ(appended->live.count, 0U);

  const Result<Positions> read = to.acknowledged_positions();
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 2'500U);
  EXPECT_EQ(read->at(lane(7, 2'499)).position, 1'000'000'002'499U);

  const Result<JournalPage> page = reader().read_after(kJournalStart, 10, 1'000);
  ASSERT_TRUE(page) << page.error().message;
  ASSERT_EQ(page->entries.size(), 1U);
  EXPECT_EQ(page->entries[0].id, appended->id);
  EXPECT_EQ(page->entries[0].bytes, bytes);
  EXPECT_FALSE(page->has_gone_back);
  EXPECT_EQ(server_.client().run({"SISMEMBER", "ddt:sidecars", "test-1"})->integer, 1);
}

TEST_F(RedisJournal, AHoleIsRememberedBesideThePosition) {
  JournalWriter to = writer();
  const LanePosition above_a_hole{lane(1, 0), 200, 100};
  ASSERT_TRUE(to.append("one", {&above_a_hole, 1}, {}));
  const Result<Positions> read = writer().acknowledged_positions();
  EXPECT_EQ(read->at(lane(1, 0)).position, 200U);
  EXPECT_EQ(read->at(lane(1, 0)).forgotten_to, 100U);
}

TEST_F(RedisJournal, RefusesTheOlderOfTwoWritersAndWritesNothing) {
  JournalWriter older = writer();
  ASSERT_TRUE(append(older, "one", 10));
  JournalWriter newer = writer();
  EXPECT_EQ(newer.acknowledged_positions()->at(lane(1, 0)).position, 10U);

  LivePart live;
  live.commands.push_back({LiveCommand::Kind::plain, {"SET", "seen", "1"}, 0, kLiveTtlS});
  live.messages.push_back({7, "telemetry:live:7", ",\"data\":{}}"});
  const Result<Appended> refused = append(older, "late", 20, live);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(is_fenced(refused.error()));
  EXPECT_EQ(refused.error().code, kFenceTaken);
  EXPECT_EQ(length(), 1);
  EXPECT_EQ(newer.acknowledged_positions()->at(lane(1, 0)).position, 10U);
  EXPECT_EQ(server_.client().run({"EXISTS", "seen", keys_.seq})->integer, 0);
  const model::LaneName name = lane(1, 0);
  EXPECT_FALSE(older.forget({&name, 1}));

  ASSERT_TRUE(append(newer, "two", 20));
  EXPECT_EQ(length(), 2);
}

TEST_F(RedisJournal, SaysThatTheFenceIsGoneAfterAFlush) {
  JournalWriter to = writer();
  ASSERT_TRUE(append(to, "one", 10));
  ASSERT_TRUE(server_.client().run({"FLUSHALL"}));
  const Result<Appended> refused = append(to, "two", 20);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, kFenceGone);
  JournalWriter again = writer();
  EXPECT_TRUE(again.acknowledged_positions()->empty());
  EXPECT_TRUE(append(again, "two", 20));
}

// A command that its sender gave up may still arrive: before the new fence (then its position is read) or
// behind it (then it is refused). Never half.
TEST_F(RedisJournal, ALateCommandOfADeadWriterLandsWholeOrNotAtAll) {
  ConnectOptions impatient = server_.options();
  impatient.io_timeout = 30ms;
  std::uint64_t expected = 0;
  for (int round = 1; round <= 20; ++round) {
    const auto position = static_cast<std::uint64_t>(round);
    {
      JournalWriter dying = writer(impatient);
      server_.pause();
      EXPECT_FALSE(append(dying, std::string(200'000, 'x'), position));
      EXPECT_FALSE(dying.is_open());
    }
    std::thread resumer([&] {
      std::this_thread::sleep_for(2ms);
      server_.resume();
    });
    JournalWriter next = writer();
    const std::uint64_t read = position_in(next);
    const std::int64_t entries = length();
    resumer.join();
    std::this_thread::sleep_for(2ms);
    EXPECT_EQ(length(), entries) << "a late entry came behind the fence";
    if (read == position) ++expected;
    EXPECT_EQ(static_cast<std::uint64_t>(entries), expected);
    if (expected < position && read != position) {
      // It was refused or never came: this round's entry is appended by its successor.
      ASSERT_TRUE(append(next, "again", position));
      ++expected;
    }
  }
  EXPECT_EQ(length(), 20);
}

// Each entry says its own position. What is acknowledged is in the journal, in order; an entry above it may be
// there too, or the same one twice: the rollup skips what it has.
TEST_F(RedisJournal, AKilledServerComesBackWithAnEntryForEveryPosition) {
  for (int round = 0; round < 5; ++round) {
    JournalWriter to = writer();
    std::uint64_t position = position_in(to);
    expect_entries_up_to(position);
    std::thread killer([&] {
      std::this_thread::sleep_for(20ms);
      server_.kill();
    });
    while (append(to, std::to_string(position + 1) + std::string(5'000, ' '), position + 1))
      ++position;
    killer.join();
    EXPECT_FALSE(to.is_open());
    server_.start();
  }
  JournalWriter to = writer();
  expect_entries_up_to(position_in(to));
}

// Redis writes an append to its file as MULTI, XADD, HSET, EXEC. When a kill cuts the file inside HSET or EXEC,
// the first start drops that command only; MULTI and XADD stay in the file, and the second start runs them with
// the next EXEC: the entry comes back without its position, below the one that was appended again.
class RedisJournalCut : public RedisJournal,
                        public ::testing::WithParamInterface<std::pair<const char*, int>> {};

TEST_P(RedisJournalCut, ComesBackAsARepeatAtMost) {
  const auto [command, entries] = GetParam();
  {
    JournalWriter to = writer();
    for (std::uint64_t position = 1; position <= 3; ++position)
      ASSERT_TRUE(append(to, std::to_string(position), position));
  }
  server_.kill();
  cut_append_file_inside(command);
  server_.start();
  {
    JournalWriter to = writer();
    EXPECT_EQ(position_in(to), 2U);
    expect_entries_up_to(2);
    EXPECT_EQ(length(), 2);
    ASSERT_TRUE(append(to, "3", 3));
  }
  server_.kill();
  server_.start();
  JournalWriter to = writer();
  EXPECT_EQ(position_in(to), 3U);
  expect_entries_up_to(3);
  EXPECT_EQ(length(), entries) << "the server no longer does what this test is about";
}

INSTANTIATE_TEST_SUITE_P(InsideACommand, RedisJournalCut,
                         ::testing::Values(std::pair("XADD", 3), std::pair("HSET", 4),
                                           std::pair("EXEC", 4)),
                         [](const auto& cut) { return std::string(cut.param.first); });

TEST_F(RedisJournal, APositionsKeyOfAnotherTypeStopsTheEntryToo) {
  JournalWriter to = writer();
  ASSERT_TRUE(server_.client().run({"SET", keys_.positions, "text"}));
  const Result<Appended> refused = append(to, "one", 10);
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().is_retryable);
  EXPECT_FALSE(is_fenced(refused.error()));
  EXPECT_EQ(length(), 0);
}

TEST_F(RedisJournal, AnEntryThatIsRefusedMovesNoPosition) {
  JournalWriter to = writer();
  ASSERT_TRUE(append(to, "one", 10));
  ASSERT_TRUE(server_.client().run({"RENAME", keys_.journal, "kept"}));
  ASSERT_TRUE(server_.client().run({"SET", keys_.journal, "text"}));
  const Result<Appended> refused = append(to, "two", 20);
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().is_retryable);
  EXPECT_EQ(position_in(to), 10U);
  // A stream that takes no id any more.
  ASSERT_TRUE(server_.client().run({"DEL", keys_.journal}));
  const std::string last = "18446744073709551615-18446744073709551615";
  ASSERT_TRUE(server_.client().run({"XADD", keys_.journal, last, "b", "foreign"}));
  EXPECT_FALSE(append(to, "two", 20));
  EXPECT_EQ(length(), 1);
  ASSERT_TRUE(server_.client().run({"DEL", keys_.journal}));
  ASSERT_TRUE(server_.client().run({"RENAME", "kept", keys_.journal}));
  EXPECT_TRUE(append(to, "two", 20));
  EXPECT_EQ(position_in(to), 20U);
}

TEST_F(RedisJournal, OutOfMemoryRefusesTheWholeAppendAndMayPass) {
  JournalWriter to = writer();
  ASSERT_TRUE(append(to, "one", 10));
  ASSERT_TRUE(server_.client().run({"CONFIG", "SET", "maxmemory", "1mb"}));
  LivePart live;
  live.messages.push_back({7, "telemetry:live:7", ",\"data\":{}}"});
  const Result<Appended> refused = append(to, "two", 20, live);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_retryable);
  EXPECT_NE(refused.error().message.find("OOM"), std::string::npos);
  EXPECT_EQ(length(), 1);
  EXPECT_EQ(to.acknowledged_positions()->at(lane(1, 0)).position, 10U);
  Client client = server_.client();
  EXPECT_GT(*memory_used_ratio(client), 0.8);
  ASSERT_TRUE(client.run({"CONFIG", "SET", "maxmemory", "0"}));
  EXPECT_EQ(*memory_used_ratio(client), 0.0);
  EXPECT_TRUE(append(to, "two", 20));
}

TEST_F(RedisJournal, ALiveKeyOfAnotherTypeIsCountedAndStopsNothing) {
  JournalWriter to = writer();
  ASSERT_TRUE(server_.client().run({"LPUSH", "list", "x"}));
  LivePart live;
  live.commands.push_back({LiveCommand::Kind::plain, {"HSET", "list", "a", "b"}, 0, kLiveTtlS});
  live.commands.push_back(latest("list", 5, "\"a\":1"));
  live.commands.push_back({LiveCommand::Kind::field, {"list", "f", "{}"}, 5, kLiveTtlS});
  live.commands.push_back(
      {LiveCommand::Kind::plain, {"SET", "good", std::string("\0b", 2)}, 0, kLiveTtlS});
  const Result<Appended> appended = append(to, "one", 10, live);
  ASSERT_TRUE(appended) << appended.error().message;
  EXPECT_EQ(appended->live.count, 3U);
  EXPECT_NE(appended->live.first.find("WRONGTYPE"), std::string::npos);
  EXPECT_EQ(text({"GET", "good"}), std::string("\0b", 2));
  EXPECT_EQ(length(), 1);
}

// A right that is missing, for one: the journal goes first.
TEST_F(RedisJournal, ALiveWriteThatRedisRefusesStopsAllOfThemAndNotTheEntry) {
  JournalWriter to = writer();
  LivePart live;
  live.commands.push_back({LiveCommand::Kind::plain, {"NOCOMMAND"}, 0, kLiveTtlS});
  live.commands.push_back(latest("key", 5, "\"a\":1"));
  live.messages.push_back({7, "telemetry:live:7", ",\"data\":{}}"});
  const Result<Appended> appended = append(to, "one", 10, live);
  ASSERT_TRUE(appended) << appended.error().message;
  EXPECT_EQ(appended->live.count, 3U);
  EXPECT_NE(appended->live.first.find("NOCOMMAND"), std::string::npos);
  EXPECT_EQ(length(), 1);
  EXPECT_EQ(position_in(to), 10U);
  live.commands = {latest("key", 4, "\"a\":1")};
  ASSERT_TRUE(append(to, "two", 20, live));
  EXPECT_NE(text({"GET", "key"}).find("\"4\""), std::string::npos) << "the other was never there";
}

TEST_F(RedisJournal, PublishesNothingThatItCannotNumber) {
  ASSERT_TRUE(server_.client().run({"SET", keys_.seq, "text"}));
  Result<Subscriber> subscriber = Subscriber::connect(server_.options());
  ASSERT_TRUE(subscriber && subscriber->subscribe_pattern("telemetry:live:*"));
  JournalWriter to = writer();
  LivePart live;
  live.messages.push_back({7, "telemetry:live:7", ",\"data\":{}}"});
  const Result<Appended> appended = append(to, "one", 10, live);
  ASSERT_TRUE(appended) << appended.error().message;
  EXPECT_EQ(appended->live.count, 1U);
  EXPECT_EQ(*subscriber->next(200ms), std::nullopt);
}

// Another sidecar may write the same places: one host's bots after another's. Nobody's older value stays.
TEST_F(RedisJournal, LatestOnlyMovesForwardOverTwoSidecars) {
  JournalWriter ours = writer();
  const auto put = [&](JournalWriter& to, std::int64_t time_ns) {
    LivePart live;
    live.commands = {latest("key", time_ns, "\"a\":1")};
    return to.append("", {}, live);
  };
  const auto stored = [&] { return text({"GET", "key"}); };
  ASSERT_TRUE(put(ours, 10));
  Result<JournalWriter> theirs = JournalWriter::connect(server_.options(), SidecarKeys("test-2"));
  ASSERT_TRUE(theirs && put(*theirs, 20));
  const Result<Appended> unaware = put(ours, 15);
  ASSERT_FALSE(unaware) << "written without a look";
  EXPECT_TRUE(unaware.error().is_retryable);
  EXPECT_FALSE(is_fenced(unaware.error()));
  EXPECT_NE(stored().find("\"20\""), std::string::npos);
  ASSERT_TRUE(put(ours, 15));
  EXPECT_NE(stored().find("\"20\""), std::string::npos);
  ASSERT_TRUE(put(ours, 30));
  ASSERT_TRUE(put(*theirs, 25));
  EXPECT_NE(stored().find("\"30\""), std::string::npos);
}

TEST_F(RedisJournal, LatestOnlyMovesForwardInEventTime) {
  JournalWriter to = writer();
  const auto put = [&](std::int64_t time_ns, const std::string& rest) {
    LivePart live;
    live.commands.push_back(latest("key", time_ns, rest));
    live.commands.push_back(latest("hash", time_ns, rest));
    live.commands.back().kind = LiveCommand::Kind::field;
    live.commands.back().arguments.insert(live.commands.back().arguments.begin() + 1, "SPY");
    const Result<Appended> appended = to.append("", {}, live);
    ASSERT_TRUE(appended);
    EXPECT_EQ(appended->live.count, 0U) << appended->live.first;
    EXPECT_EQ(appended->id, "");
  };
  const auto holds = [&](const std::string& rest) {
    return text({"GET", "key"}).find(rest) != std::string::npos &&
           text({"HGET", "hash", "SPY"}).find(rest) != std::string::npos;
  };
  put(1'700'000'000'000'000'001, "\"first\":1");
  put(1'700'000'000'000'000'000, "\"older\":1");
  EXPECT_TRUE(holds("first"));
  put(999, "\"much older\":1");
  EXPECT_TRUE(holds("first"));
  put(-1, "\"before 1970\":1");
  EXPECT_TRUE(holds("first"));
  put(1'700'000'000'000'000'001, "\"equal\":{\"event_time_ns\":\"9999999999999999999\"}");
  EXPECT_TRUE(holds("equal"));
  put(1'700'000'000'000'000'002, "\"newer\":1");
  EXPECT_TRUE(holds("newer"));
  EXPECT_GT(server_.client().run({"TTL", "key"})->integer, 3'500);
  EXPECT_GT(server_.client().run({"TTL", "hash"})->integer, 3'500);
  JournalWriter successor = writer();
  std::swap(to, successor);
  put(1'700'000'000'000'000'001, "\"older than its predecessor's\":1");
  EXPECT_TRUE(holds("newer"));
  ASSERT_TRUE(server_.client().run({"SET", "key", "not ours"}));
  put(1, "\"replaces\":1");
  EXPECT_NE(text({"GET", "key"}).find("replaces"), std::string::npos);
  EXPECT_EQ(length(), 0);
}

TEST_F(RedisJournal, NumbersUpdatesPerProfileWithoutRepeats) {
  Result<Subscriber> subscriber = Subscriber::connect(server_.options());
  ASSERT_TRUE(subscriber && subscriber->subscribe_pattern("telemetry:live:*"));
  const auto publish = [&](JournalWriter& to, std::int32_t profile_id) {
    LivePart live;
    live.messages.push_back({profile_id, "telemetry:live:" + std::to_string(profile_id),
                             ",\"ts\":\"t\",\"data\":{\"kind\":\"trade\"}}"});
    ASSERT_TRUE(append(to, "e", 1, live));
  };
  const auto heard = [&] { return (*subscriber->next(2s))->payload; };
  JournalWriter first = writer();
  publish(first, 7);
  EXPECT_EQ(heard(), "{\"type\":\"update\",\"seq\":1,\"ts\":\"t\",\"data\":{\"kind\":\"trade\"}}");
  publish(first, 8);
  EXPECT_NE(heard().find("\"seq\":1,"), std::string::npos);
  JournalWriter second = writer();
  publish(second, 7);
  EXPECT_NE(heard().find("\"seq\":2,"), std::string::npos);
}

TEST_F(RedisJournal, PublishesTheUpdatesOfAnAppendAsLinesOfOneMessage) {
  Result<Subscriber> subscriber = Subscriber::connect(server_.options());
  ASSERT_TRUE(subscriber && subscriber->subscribe_pattern("telemetry:live:*"));
  JournalWriter to = writer();
  LivePart live;
  for (const std::int32_t profile_id : {7, 8, 7})
    live.messages.push_back({profile_id, "telemetry:live:" + std::to_string(profile_id), ",}"});
  ASSERT_TRUE(append(to, "e", 1, live));
  EXPECT_EQ((*subscriber->next(2s))->payload,
            "{\"type\":\"update\",\"seq\":1,}\n{\"type\":\"update\",\"seq\":2,}");
  EXPECT_EQ((*subscriber->next(2s))->payload, "{\"type\":\"update\",\"seq\":1,}");
  EXPECT_EQ(text({"HGET", keys_.seq, "7"}), "2");
}

TEST_F(RedisJournal, CutsAListOnceItIsATenthTooLong) {
  JournalWriter to = writer();
  const auto push = [&](const std::string& value) {
    LivePart live;
    live.commands.push_back(
        {.kind = LiveCommand::Kind::list, .arguments = {"list", value}, .kept_max = 20});
    ASSERT_TRUE(to.append("", {}, live));
  };
  const auto values = [&] { return server_.client().run({"LLEN", "list"})->integer; };
  for (int i = 1; i <= 22; ++i) push(std::to_string(i));
  EXPECT_EQ(values(), 22);
  push("23");
  EXPECT_EQ(values(), 20);
  EXPECT_EQ(text({"LINDEX", "list", "0"}), "23");
  EXPECT_EQ(text({"LINDEX", "list", "19"}), "4");
  EXPECT_GT(server_.client().run({"TTL", "list"})->integer, 3'500);
}

TEST_F(RedisJournal, ReadsInPagesBoundedByCountAndBytes) {
  JournalWriter to = writer();
  for (std::uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(append(to, std::string(1'000, static_cast<char>('a' + i)), i));
  }
  JournalReader from = reader();
  EXPECT_EQ(from.read_after(kJournalStart, 3, 1 << 20)->entries.size(), 3U);
  EXPECT_EQ(from.read_after(kJournalStart, 100, 2'500)->entries.size(), 2U);
  EXPECT_EQ(from.read_after(kJournalStart, 100, 10)->entries.size(), 1U);
  std::string id(kJournalStart), first_letters;
  for (;;) {
    const Result<JournalPage> page = from.read_after(id, 4, 1 << 20);
    ASSERT_TRUE(page);
    if (page->entries.empty()) break;
    for (const RawEntry& entry : page->entries) first_letters += entry.bytes[0];
    id = page->entries.back().id;
  }
  EXPECT_EQ(first_letters, "abcdefghij");
  EXPECT_EQ(*from.last_id(), id);
}

TEST_F(RedisJournal, AForeignEntryIsReadAsEmpty) {
  ASSERT_TRUE(server_.client().run({"XADD", keys_.journal, "*", "other", "x"}));
  const Result<JournalPage> page = reader().read_after(kJournalStart, 10, 100);
  ASSERT_TRUE(page);
  ASSERT_EQ(page->entries.size(), 1U);
  EXPECT_EQ(page->entries[0].bytes, "");
}

TEST_F(RedisJournal, SeesThatTheJournalIsEmptyOrOld) {
  JournalWriter to = writer();
  JournalReader from = reader();
  EXPECT_FALSE(from.read_after(kJournalStart, 1, 100)->has_gone_back);
  const std::string id = append(to, "one", 10)->id;
  EXPECT_FALSE(from.read_after(id, 1, 100)->has_gone_back);
  ASSERT_TRUE(from.trim_before(std::to_string(id_time_ms(id) + 1)));
  EXPECT_FALSE(from.read_after(id, 1, 100)->has_gone_back) << "trimmed is not lost";
  ASSERT_TRUE(server_.client().run({"FLUSHALL"}));
  EXPECT_TRUE(from.read_after(id, 1, 100)->has_gone_back);
  ASSERT_TRUE(server_.client().run({"XADD", keys_.journal, "1-1", "b", "old"}));
  EXPECT_TRUE(from.read_after(id, 1, 100)->has_gone_back);
  EXPECT_EQ(from.read_after(kJournalStart, 1, 100)->entries.size(), 1U);
}

TEST_F(RedisJournal, TrimsAndKnowsItsSize) {
  JournalWriter to = writer();
  JournalReader from = reader();
  const Result<JournalStats> empty = from.stats();
  ASSERT_TRUE(empty) << empty.error().message;
  EXPECT_EQ(empty->length, 0U);
  EXPECT_EQ(empty->last_id, kJournalStart);
  std::vector<std::string> ids;
  for (std::uint64_t i = 0; i < 10; ++i) ids.push_back(append(to, std::string(10'000, 'x'), i)->id);
  const Result<JournalStats> full = from.stats();
  ASSERT_TRUE(full) << full.error().message;
  EXPECT_EQ(full->length, 10U);
  EXPECT_EQ(full->first_id, ids.front());
  EXPECT_EQ(full->last_id, ids.back());
  EXPECT_GT(full->bytes, 90'000U);
  EXPECT_LT(full->age_ms, 60'000);
  EXPECT_EQ(*from.trim_before(ids[4]), 4U);
  EXPECT_EQ(from.read_after(kJournalStart, 1, 100)->entries[0].id, ids[4]);
  const model::LaneName name = lane(1, 0);
  ASSERT_TRUE(to.forget({&name, 1}));
  EXPECT_TRUE(to.acknowledged_positions()->empty());
}

TEST_F(RedisJournal, ChecksTheServer) {
  Client client = server_.client();
  Result<ServerCheck> check = check_server(client);
  ASSERT_TRUE(check);
  EXPECT_TRUE(check->problems.empty());
  EXPECT_EQ(check->warnings.size(), 1U) << "no maxmemory";
  ASSERT_TRUE(client.run({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"}));
  ASSERT_TRUE(client.run({"CONFIG", "SET", "appendonly", "no"}));
  check = check_server(client);
  ASSERT_EQ(check->problems.size(), 1U);
  EXPECT_NE(check->problems[0].find("allkeys-lru"), std::string::npos);
  EXPECT_EQ(check->warnings.size(), 2U);
}

}  // namespace
}  // namespace ddt::redis
