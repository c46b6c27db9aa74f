// Which windows of a measurement count: the probe decides, never what was measured.
#include "bench/system/windows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace ddt::bench {
namespace {

using ::testing::ElementsAre;

// Windows 0, 1, 2, …, in which the probe takes what is given; the last for ever.
Windows<int> windows_of(WindowCount count, std::vector<double> probes_ns) {
  std::size_t asked = 0;
  int next = 0;
  return measure_windows(
      count,
      [&] {
        if (asked == 0) return ++asked, 0.001;  // before the first window: counts for nothing
        return probes_ns[std::min(asked++, probes_ns.size()) - 1];
      },
      [&] { return next++; });
}

TEST(Windows, AreAsManyAsWantedWhereAllAreAlike) {
  const auto windows = windows_of({.clean = 3, .at_most = 9}, {100, 101, 99});
  EXPECT_THAT(windows.clean, ElementsAre(0, 1, 2));
  EXPECT_EQ(windows.dirty, 0U);
  EXPECT_EQ(windows.least_probe_ns, 99);
}

TEST(Windows, AreMeasuredAgainWhileTheMachineIsSlow) {
  const auto windows = windows_of({.clean = 2, .at_most = 9}, {100, 150, 116, 114, 100});
  EXPECT_THAT(windows.clean, ElementsAre(0, 3));
  EXPECT_EQ(windows.dirty, 2U);
}

TEST(Windows, AreDirtyWhenABetterOneComesLater) {
  const auto windows = windows_of({.clean = 3, .at_most = 9}, {150, 150, 100, 100, 100});
  EXPECT_THAT(windows.clean, ElementsAre(2, 3, 4));
  EXPECT_EQ(windows.dirty, 2U);
}

TEST(Windows, EndSometime) {
  const auto windows = windows_of({.clean = 3, .at_most = 4}, {100, 200});
  EXPECT_THAT(windows.clean, ElementsAre(0));
  EXPECT_EQ(windows.dirty, 3U);
}

}  // namespace
}  // namespace ddt::bench
