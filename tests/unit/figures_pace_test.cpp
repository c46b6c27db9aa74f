// When a stale Window is due, and what of a figure fits its row.
#include <gtest/gtest.h>

#include <vector>

#include "sidecar/figures/figure_rows.hpp"
#include "sidecar/figures/read_facts.hpp"
#include "sidecar/figures/stale_windows.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::int64_t kSecond = model::kNsPerSecond;
const std::int64_t kTime = *model::parse_time("2026-03-19T14:30:00Z");

StaleWindow stale(model::WindowType type, std::uint32_t revision, Stale why = Stale::facts) {
  return {.key = {.profile_id = 7,
                  .metric_type = "equity",
                  .window = model::window_containing(type, kTime)},
          .revision = revision,
          .figures_revision = 0,
          .stale = why};
}

TEST(Pace, ComputesAWindowOnceItHasBeenQuietForAnInterval) {
  Pace pace(2 * kSecond);
  const std::vector<StaleWindow> windows{stale(model::WindowType::day, 1)};
  pace.look(windows, 0);
  EXPECT_TRUE(pace.due(kSecond, false).empty());
  pace.look(windows, kSecond);
  EXPECT_EQ(pace.due(2 * kSecond, false).size(), 1u);
}

TEST(Pace, LosesPatienceWithAWindowThatNeverRests) {
  Pace pace(2 * kSecond);
  std::int64_t now = 0;
  for (std::uint32_t revision = 1; now < 60 * kSecond; now += kSecond, ++revision) {
    pace.look(std::vector{stale(model::WindowType::hour, revision),
                          stale(model::WindowType::day, revision),
                          stale(model::WindowType::month, revision)},
              now);
    const auto due = pace.due(now, false);
    const std::size_t expected = (now >= 2 * kSecond ? 1u : 0u) + (now >= 10 * kSecond ? 1u : 0u);
    EXPECT_EQ(due.size(), expected) << now;
  }
  EXPECT_EQ(pace.due(now, false).size(), 3u);  // a minute, for the month
}

TEST(Pace, BeginsAnewAfterAWindowWasComputed) {
  Pace pace(2 * kSecond);
  pace.look(std::vector{stale(model::WindowType::hour, 1)}, 0);
  pace.computed(stale(model::WindowType::hour, 1).key, 5 * kSecond);
  pace.look(std::vector{stale(model::WindowType::hour, 2)}, 6 * kSecond);
  EXPECT_TRUE(pace.due(6 * kSecond, false).empty());
  EXPECT_EQ(pace.due(7 * kSecond, false).size(), 1u);
}

TEST(Pace, TakesHoursFirst) {
  Pace pace(0);
  pace.look(std::vector{stale(model::WindowType::month, 1), stale(model::WindowType::hour, 1),
                        stale(model::WindowType::week, 1), stale(model::WindowType::day, 1)},
            0);
  const auto due = pace.due(0, false);
  ASSERT_EQ(due.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(due[i].key.window.type, model::kWindowTypes[i]);
}

TEST(Pace, AWindowThatHasEndedIsDueAtOnceAndNotStale) {
  Pace pace(2 * kSecond);
  pace.look(std::vector{stale(model::WindowType::hour, 1, Stale::open)}, 0);
  EXPECT_EQ(pace.due(0, false).size(), 1u);
  EXPECT_EQ(pace.stale_count(), 0u);
}

TEST(Pace, HurriesAtTheEndButNotWithWhatCannotBeComputed) {
  Pace pace(2 * kSecond);
  const std::vector<StaleWindow> windows{stale(model::WindowType::hour, 1),
                                         stale(model::WindowType::day, 1)};
  pace.look(windows, 0);
  EXPECT_EQ(pace.due(0, true).size(), 2u);
  pace.set_aside(windows[0].key, 60 * kSecond);
  EXPECT_EQ(pace.due(0, true).size(), 1u);
  pace.look(windows, 60 * kSecond);
  EXPECT_EQ(pace.due(60 * kSecond, false).size(), 2u);
}

TEST(FigureRows, SetsAsideWhatDoesNotFitTheColumn) {
  const int128 too_large = static_cast<int128>(kMaxE8) * 1'000'000'000'000;
  FigureRows rows;
  rows.value("a", too_large);
  rows.value("b", -too_large);
  rows.value("c", 5 * kE8);
  const auto taken = std::move(rows).take();
  EXPECT_FALSE(taken[0].value_e8);
  EXPECT_EQ(taken[0].reason, "overflow");
  EXPECT_EQ(taken[1].reason, "overflow");
  EXPECT_EQ(taken[2].value_e8, int128{5 * kE8});
}

TEST(FigureRows, CutsTextBetweenCharacters) {
  EXPECT_EQ(fit("abc", 3), "abc");
  EXPECT_EQ(fit("abcd", 3), "abc");
  EXPECT_EQ(fit("ab\xC3\xA9", 3), "ab");
  EXPECT_EQ(fit("ab\xC3\xA9", 4), "ab\xC3\xA9");
}

TEST(JoinedSpans, JoinsWhatIsLessThanADayApart) {
  const auto hour = [](std::int64_t h) {
    return model::Window{.type = model::WindowType::hour,
                         .start_ns = h * model::kNsPerHour,
                         .end_ns = (h + 1) * model::kNsPerHour};
  };
  const std::vector<model::Window> windows{hour(100), hour(3), hour(0), hour(29)};
  const std::vector<TimeSpan> expected{{0, 4 * model::kNsPerHour},
                                       {29 * model::kNsPerHour, 30 * model::kNsPerHour},
                                       {100 * model::kNsPerHour, 101 * model::kNsPerHour}};
  EXPECT_EQ(joined_spans(windows), expected);
}

}  // namespace
}  // namespace ddt::sidecar
