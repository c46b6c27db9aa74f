// Looks and the sidecar's word in, rows out: rates, lags, order, and how they are shown.
#include <gtest/gtest.h>

#include <algorithm>

#include "sidecar/model/json.hpp"
#include "sidecar/top/table.hpp"
#include "sidecar/top/text.hpp"

namespace ddt::top {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::uint32_t kLines = 1'024;

LaneSample lane(std::uint64_t position, std::uint64_t released,
                std::optional<std::uint64_t> produced, std::uint32_t index = 0) {
  LaneSample sample;
  sample.lane = index;
  sample.position = position;
  sample.released = released;
  sample.produced = produced;
  return sample;
}

SegmentSample segment(char letter, std::vector<LaneSample> lanes) {
  SegmentSample sample;
  sample.name = "seg-" + std::string(32, letter);
  sample.id.fill(static_cast<std::uint8_t>(letter));
  sample.owner = LockState::held;
  sample.owner_pid = 42;
  sample.owner_user = "bots";
  sample.lane_lines = kLines;
  sample.profile_id = 7;
  sample.script_name = "order_monitor";
  sample.lanes = std::move(lanes);
  return sample;
}

DirectorySample look(std::int64_t at_ns, std::vector<SegmentSample> segments) {
  DirectorySample sample;
  sample.monotonic_ns = at_ns;
  sample.wall_ns = 1'000 * kSecond + at_ns;
  sample.segments = std::move(segments);
  return sample;
}

SidecarSample says(std::int64_t at_ns, char letter, redis::LaneWord word) {
  SidecarSample sample;
  sample.id = "here";
  model::LaneName name;
  name.segment_id.fill(static_cast<std::uint8_t>(letter));
  sample.words = redis::LaneWords{
      .at_ns = 1'000 * kSecond + at_ns, .lanes = {{name, std::move(word)}}, .refused_segments = {}};
  return sample;
}

TEST(TopView, HasNoRateBeforeTheSecondLook) {
  Model model("/d", false);
  model.add(look(0, {segment('a', {lane(10, 0, 5)})}));
  EXPECT_FALSE(model.view().rows.at(0).records_per_s);
  EXPECT_FALSE(model.view().records_per_s);
}

TEST(TopView, MeasuresRecordsOverTheLastTwoLooks) {
  Model model("/d", false);
  model.add(look(0, {segment('a', {lane(10, 0, 5)})}));
  model.add(look(2 * kSecond, {segment('a', {lane(40, 0, 25)}), segment('b', {lane(1, 0, 1)})}));
  const View view = model.view();
  EXPECT_DOUBLE_EQ(view.rows.at(0).records_per_s.value(), 10);
  EXPECT_FALSE(view.rows.at(1).records_per_s) << "a Lane seen for the first time";
  EXPECT_DOUBLE_EQ(view.records_per_s.value(), 10);
  model.add(look(3 * kSecond, {segment('a', {lane(40, 0, 25)})}));
  EXPECT_DOUBLE_EQ(model.view().rows.at(0).records_per_s.value(), 0);
}

TEST(TopView, HasNoRateOfACountThatGoesBack) {
  Model model("/d", false);
  model.add(look(0, {segment('a', {lane(10, 0, 50)})}));
  model.add(look(kSecond, {segment('a', {lane(10, 0, 20)})}));
  EXPECT_FALSE(model.view().rows.at(0).records_per_s);
  model.add(look(2 * kSecond, {segment('a', {lane(10, 0, std::nullopt)})}));
  EXPECT_FALSE(model.view().rows.at(0).records_per_s);
}

TEST(TopView, KnowsFromSharedMemoryAloneWhatIsHeld) {
  Model model("/d", false);
  model.add(look(0, {segment('a', {lane(900, 300, 5)})}));
  const Row row = model.view().rows.at(0);
  EXPECT_EQ(row.held_lines, 600U);
  EXPECT_EQ(row.owner, Owner::alive);
  EXPECT_FALSE(row.drain_lag || row.journal_lag || row.commit_lag);
}

TEST(TopView, CountsLagsFromTheLookBeforeTheSidecarsWord) {
  Model model("/d", true);
  model.add(look(0, {segment('a', {lane(100, 0, 5)})}));
  model.add(look(kSecond, {segment('a', {lane(500, 0, 9)})}));
  model.hear(says(kSecond / 2, 'a', {90, 70, 40, ""}));
  const Row row = model.view().rows.at(0);
  EXPECT_EQ(row.drain_lag, 10U) << "what was published after the word is nobody's lag";
  EXPECT_EQ(row.journal_lag, 30U);
  EXPECT_EQ(row.commit_lag, 60U);
}

TEST(TopView, CountsNoLagOfASidecarThatSawMore) {
  Model model("/d", true);
  model.add(look(0, {segment('a', {lane(100, 0, 5)})}));
  model.add(look(kSecond, {segment('a', {lane(500, 0, 9)})}));
  model.hear(says(kSecond / 2, 'a', {300, 300, 250, ""}));
  const Row row = model.view().rows.at(0);
  EXPECT_EQ(row.drain_lag, 0U);
  EXPECT_EQ(row.journal_lag, 0U);
  EXPECT_EQ(row.commit_lag, 50U);
}

TEST(TopView, MeasuresASilentSidecarAgainstNow) {
  Model model("/d", true);
  model.add(look(0, {segment('a', {lane(100, 0, 5)})}));
  model.add(look(10 * kSecond, {segment('a', {lane(500, 0, 9)})}));
  model.hear(says(kSecond / 2, 'a', {100, 100, 100, ""}));
  const View view = model.view();
  EXPECT_EQ(view.rows.at(0).drain_lag, 400U);
  EXPECT_DOUBLE_EQ(view.sidecar_silent_s.value(), 9.5);
}

TEST(TopView, LeavesTheDrainsLagOpenWithoutALookBeforeTheWord) {
  Model model("/d", true);
  model.add(look(kSecond, {segment('a', {lane(500, 0, 9)})}));
  model.hear(says(kSecond / 2, 'a', {90, 70, 40, ""}));
  const Row row = model.view().rows.at(0);
  EXPECT_FALSE(row.drain_lag);
  EXPECT_EQ(row.journal_lag, 20U);
  EXPECT_EQ(row.commit_lag, 50U);
}

TEST(TopView, ShowsQuarantineAsTheSidecarSaysItOrAsItIsSeen) {
  Model model("/d", true);
  SegmentSample seen = segment('b', {lane(5, 0, 5)});
  seen.lanes[0].suspicion = "impossible sequence at position 5";
  SegmentSample unreadable;
  unreadable.name = "seg-" + std::string(32, 'c');
  unreadable.problem = "too short";
  model.add(look(0, {segment('a', {lane(5, 0, 5)}), seen, unreadable}));
  model.hear(says(0, 'a', {1, 1, 1, "scribbled"}));
  const View view = model.view();
  EXPECT_EQ(view.rows.at(0).quarantine_reason, "scribbled");
  EXPECT_EQ(view.rows.at(1).quarantine_reason, "seen here: impossible sequence at position 5");
  EXPECT_EQ(view.rows.at(2).problem, "too short");
  EXPECT_EQ(view.quarantined, 2U);
  EXPECT_EQ(view.unreadable, 1U);
}

TEST(TopView, SumsItsLanes) {
  Model model("/d", false);
  SegmentSample first = segment('a', {lane(10, 0, 1), lane(30, 10, 2, 1)});
  first.lanes[0].dropped = {1, 2, 3};
  first.lanes[1].dropped = {10, 20, 30};
  first.lanes[1].refused = 4;
  SegmentSample second = segment('b', {});
  second.owner = LockState::free;
  model.add(look(0, {first, second}));
  const View view = model.view();
  EXPECT_EQ(view.dropped, (std::array<std::uint64_t, 3>{11, 22, 33}));
  EXPECT_EQ(view.refused, 4U);
  EXPECT_EQ(view.held_lines, 30U);
  EXPECT_EQ(view.lanes, 2U);
  EXPECT_EQ(view.rows.size(), 3U) << "a Segment without Lanes has a row of its own";
  EXPECT_EQ(view.alive, 1U);
  EXPECT_EQ(view.gone, 1U);
}

// ── order ────────────────────────────────────────────────────────────────────────────────────────

std::string order_of(std::vector<Row> rows, SortKey key, bool is_reversed = false) {
  sort_rows(rows, key, is_reversed);
  std::string order;
  for (const Row& row : rows) order += row.segment;
  return order;
}

TEST(TopSort, PutsWhatCanBeTooMuchFirstAndTheUnknownLast) {
  std::vector<Row> rows(3);
  rows[0].segment = "a", rows[0].commit_lag = 5;
  rows[1].segment = "b";
  rows[2].segment = "c", rows[2].commit_lag = 50;
  EXPECT_EQ(order_of(rows, SortKey::commit), "cab");
  EXPECT_EQ(order_of(rows, SortKey::commit, true), "bac");
  EXPECT_EQ(order_of(rows, SortKey::segment), "abc");
}

TEST(TopSort, OrdersHeldByItsShareOfTheLane) {
  std::vector<Row> rows(3);
  rows[0].segment = "a", rows[0].held_lines = 100, rows[0].line_count = 1'000;
  rows[1].segment = "b", rows[1].held_lines = 90, rows[1].line_count = 100;
  rows[2].segment = "c";
  EXPECT_EQ(order_of(rows, SortKey::held), "bac");
}

TEST(TopSort, KeepsEqualOnesInTheOrderOfSegmentAndLane) {
  std::vector<Row> rows(3);
  rows[0].segment = "b", rows[1].segment = "a", rows[2].segment = "a";
  rows[1].lane = 1, rows[2].lane = 0;
  sort_rows(rows, SortKey::rate, true);
  EXPECT_EQ(rows[0].segment + rows[1].segment + rows[2].segment, "aab");
  EXPECT_EQ(rows[0].lane, 0U);
}

// ── the table ────────────────────────────────────────────────────────────────────────────────────

View some_view(std::size_t segments) {
  Model model("/d", false);
  std::vector<SegmentSample> samples;
  for (std::size_t i = 0; i < segments; ++i)
    samples.push_back(segment(static_cast<char>('a' + i), {lane(800, 200, 30)}));
  model.add(look(0, samples));
  return model.view();
}

Screen screen(std::size_t columns, std::size_t lines, bool is_live = false) {
  Screen screen;
  screen.columns = columns;
  screen.lines = lines;
  screen.is_live = is_live;
  return screen;
}

std::string plain(std::string text) {  // without colours
  for (std::size_t at = text.find('\x1b'); at != std::string::npos; at = text.find('\x1b'))
    text.erase(at, text.find('m', at) - at + 1);
  return text;
}

std::size_t width(const std::string& line) {  // characters; none of these is wide
  const std::string text = plain(line);
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

TEST(TopTable, NeverLeavesItsScreen) {
  for (const bool is_live : {false, true}) {
    for (std::size_t columns = 1; columns <= 250; columns += 7) {
      for (const std::size_t lines : {1U, 3U, 8U, 24U}) {
        const auto text = table_lines(some_view(20), screen(columns, lines, is_live));
        EXPECT_LE(text.size(), lines);
        for (const std::string& line : text)
          EXPECT_LE(width(line), std::max<std::size_t>(columns, 32))
              << columns << ": " << plain(line);
      }
    }
  }
}

TEST(TopTable, ShowsOwnerRateDropsAndCommitAt80Columns) {
  const auto lines = table_lines(some_view(1), screen(80, 24));
  const auto titles =
      std::ranges::find_if(lines, [](const auto& l) { return l.find("PROFILE") != l.npos; });
  ASSERT_NE(titles, lines.end());
  for (const char* title :
       {"SCRIPT", "LN", "OWNER", "REC/S", "HELD", "SAMPLE", "STATE", "FACT", "REFUS", "COMMIT"})
    EXPECT_NE(titles->find(title), std::string::npos) << title;
  EXPECT_EQ(width(*titles), 80U);
  const std::string row = *(titles + 1);
  EXPECT_NE(row.find("order_monitor"), std::string::npos);
  EXPECT_NE(row.find("58.6%"), std::string::npos);
  EXPECT_NE(row.find("–"), std::string::npos) << "nobody says what is committed";
}

TEST(TopTable, SaysInWideTerminalsWhichClassesFindRoom) {
  EXPECT_NE(table_lines(some_view(1), screen(170, 24)).at(6).find("600/1024 states"),
            std::string::npos);
}

TEST(TopTable, TellsBelowItWhatHasNoColumn) {
  View view = some_view(5);
  for (Row& row : view.rows)
    row.quarantine_reason =
        "scrib\x1b"
        "bled";
  const auto lines = table_lines(view, screen(80, 24));
  EXPECT_EQ(std::ranges::count_if(lines,
                                  [](const auto& l) {
                                    return l.find("lane 0: quarantined: scrib\\x1bbled") != l.npos;
                                  }),
            3);
  EXPECT_NE(lines.back().find("2 more"), std::string::npos);
  const auto wide = table_lines(view, screen(0, 0));
  EXPECT_NE(wide.back().find("quarantined: scrib\\x1bbled"), std::string::npos)
      << "in its own column";
}

TEST(TopTable, ScrollsAndSaysSo) {
  Screen small = screen(80, 12, true);
  EXPECT_EQ(rows_shown(some_view(20), small), 5U);
  small.first_row = 4;
  const auto lines = table_lines(some_view(20), small);
  EXPECT_EQ(lines.size(), 12U);
  EXPECT_NE(plain(lines.back()).find("5–9 of 20"), std::string::npos) << plain(lines.back());
}

TEST(TopTable, SortsByTheColumnsItShows) {
  Screen narrow = screen(80, 24);
  EXPECT_EQ(next_sort_key(narrow, true), SortKey::script);
  EXPECT_EQ(next_sort_key(narrow, false), SortKey::commit) << "round about";
  narrow.sort = SortKey::drain;  // left off at 80 columns
  EXPECT_EQ(next_sort_key(narrow, true), SortKey::profile);
}

TEST(TopJson, IsOneDocumentWithNullForTheUnknown) {
  Model model("/d", true);
  SegmentSample hostile = segment('a', {lane(800, 200, std::nullopt), lane(0, 0, 0, 1)});
  hostile.script_name = "\x1b[2J\"\xff";
  SegmentSample unreadable;
  unreadable.name = "seg-x";
  unreadable.problem = "too short";
  model.add(look(0, {hostile, unreadable}));
  const auto json = model::JsonValue::parse(to_json(model.view()));
  ASSERT_TRUE(json);
  EXPECT_EQ(json->int_or("schema", 0), 1);
  const auto& segments = json->find("segments")->items();
  ASSERT_EQ(segments.size(), 2U);
  const auto& lanes = segments[0].find("lanes")->items();
  ASSERT_EQ(lanes.size(), 2U);
  EXPECT_EQ(lanes[0].int_or("held_lines", 0), 600);
  EXPECT_EQ(lanes[0].find("limits")->int_or("states", 0), 768);
  for (const char* unknown :
       {"produced", "records_per_s", "drained", "commit_lag_lines", "quarantine_reason"})
    EXPECT_TRUE(lanes[0].find(unknown)->is_null()) << unknown;
  EXPECT_EQ(segments[1].string_or("problem"), "too short");
  EXPECT_TRUE(segments[1].find("owner")->is_null());
}

}  // namespace
}  // namespace ddt::top
