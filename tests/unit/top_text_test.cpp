// What a bot wrote must not steer a terminal; keys; numbers in five columns.
#include <gtest/gtest.h>
#include <locale.h>

#include "sidecar/top/terminal.hpp"
#include "sidecar/top/text.hpp"

namespace ddt::top {
namespace {

class Text : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(setlocale(LC_CTYPE, "C.UTF-8"), nullptr); }
  void TearDown() override { setlocale(LC_CTYPE, "C"); }
};

TEST_F(Text, IsLeftAloneWhenItIsHarmless) {
  EXPECT_EQ(escaped("order_monitor 7/8"), "order_monitor 7/8");
  EXPECT_EQ(escaped("Zürich 東京"), "Zürich 東京");
}

TEST_F(Text, CannotSteerATerminal) {
  EXPECT_EQ(escaped("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(escaped("a\nb\tc\r"), "a\\x0ab\\x09c\\x0d");
  EXPECT_EQ(escaped(std::string_view("\0x", 2)), "\\x00x");
  EXPECT_EQ(escaped("\x7f"), "\\x7f");
  EXPECT_EQ(escaped("\xc2\x9b"
                    "2J"),
            "\\xc2\\x9b"
            "2J")
      << "CSI of C1, as UTF-8";
  EXPECT_EQ(escaped("\x9b"
                    "2J"),
            "\\x9b"
            "2J")
      << "and as a byte";
  EXPECT_EQ(escaped("\xe2\x80\xae"
                    "evil"),
            "\\xe2\\x80\\xae"
            "evil")
      << "right-to-left override";
  EXPECT_EQ(escaped("\xff\xc3"), "\\xff\\xc3") << "no UTF-8, and half a character";
  EXPECT_EQ(escaped("\\x1b"), "\\\\x1b") << "nobody can make up an escape";
}

TEST_F(Text, IsFittedByColumns) {
  EXPECT_EQ(columns_of("東京ab"), 6U);
  EXPECT_EQ(fitted("ab", 4, Align::left), "ab  ");
  EXPECT_EQ(fitted("ab", 4, Align::right), "  ab");
  EXPECT_EQ(fitted("abcdef", 4, Align::left), "abc…");
  EXPECT_EQ(fitted("東京東京", 4, Align::left), "東… ") << "half a character is none";
  EXPECT_EQ(fitted("ab", 0, Align::left), "");
}

TEST(Compact, NeverTakesMoreThanFiveColumns) {
  EXPECT_EQ(compact(0), "0");
  EXPECT_EQ(compact(9'999), "9999");
  EXPECT_EQ(compact(10'000), "10.0k");
  EXPECT_EQ(compact(99'999), "99.9k");
  EXPECT_EQ(compact(100'000), "100k");
  EXPECT_EQ(compact(16'384), "16.3k");
  EXPECT_EQ(compact(1'000'000), "1.0M");
  EXPECT_EQ(compact(~std::uint64_t{0}), "18.4E");
  for (std::uint64_t n = 1; n < (std::uint64_t{1} << 63U); n = n * 3 + 1)
    EXPECT_LE(compact(n).size(), 5U) << n;
}

TEST(Keys, AreReadFromBytesAndSequences) {
  using enum Key;
  EXPECT_EQ(keys_of("q"), std::vector{quit});
  EXPECT_EQ(keys_of("<>r"), (std::vector{left, right, reverse}));
  EXPECT_EQ(keys_of("\x1b[A\x1b[B\x1b[5~\x1b[6~"), (std::vector{up, down, page_up, page_down}));
}

TEST(Keys, ThatAreUnknownMeanNothing) {
  EXPECT_TRUE(keys_of("zx\x1b[99~\x1b[1;5R\x1b").empty());
  EXPECT_TRUE(keys_of("\x1b[").empty());
  EXPECT_EQ(keys_of("\x1b[12;34Rq"), std::vector{Key::quit}) << "its letters are not keys";
}

}  // namespace
}  // namespace ddt::top
