// Exact decimals: parse, print, round.
#include "shm/base/decimal.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace ddt {
namespace {

TEST(Decimal, ParsesWholeNumbersAndFractions) {
  EXPECT_EQ(e8_from_string("0"), 0);
  EXPECT_EQ(e8_from_string("1"), kE8);
  EXPECT_EQ(e8_from_string("-12.34"), -1'234'000'000);
  EXPECT_EQ(e8_from_string("+0.00000001"), 1);
  EXPECT_EQ(e8_from_string(".5"), 50'000'000);
  EXPECT_EQ(e8_from_string("5."), 500'000'000);
  EXPECT_EQ(e8_from_string("-0"), 0);
  EXPECT_EQ(e8_from_string("000000000000000000000000000001.10"), 110'000'000);
}

TEST(Decimal, RefusesWhatIsNoDecimalNumber) {
  for (const char* text : {"", "-", "+", ".", "-.", "1e5", "1e-5", "1,5", "1.2.3", " 1", "1 ",
                           "--1", "+-1", "nan", "inf", "0x10", "1_000", "١"}) {
    EXPECT_EQ(e8_from_string(text), std::nullopt) << '"' << text << '"';
  }
}

TEST(Decimal, RoundsTheNinthDecimalHalfAwayFromZero) {
  EXPECT_EQ(e8_from_string("0.000000005"), 1);
  EXPECT_EQ(e8_from_string("-0.000000005"), -1);
  EXPECT_EQ(e8_from_string("0.000000004999999999"), 0);
  EXPECT_EQ(e8_from_string("0.0000000049"), 0);
  EXPECT_EQ(e8_from_string("0.999999995"), kE8);
}

TEST(Decimal, ParsesTheLargestAndSmallestThatFitAndNothingBeyond) {
  EXPECT_EQ(e8_from_string("92233720368.54775807"), kMaxE8);
  EXPECT_EQ(e8_from_string("92233720368.54775808"), std::nullopt);
  EXPECT_EQ(e8_from_string("92233720368.547758075"), std::nullopt);  // rounds beyond
  EXPECT_EQ(e8_from_string("-92233720368.54775806"), -kMaxE8 + 1);
  EXPECT_EQ(e8_from_string("-92233720368.54775807"), std::nullopt);  // the mark for invalid
  EXPECT_EQ(e8_from_string("-92233720368.54775808"), std::nullopt);  // the mark for null
  EXPECT_EQ(e8_from_string("99999999999999999999999999999999999999999999999999"), std::nullopt);
}

TEST(Decimal, PrintsWithoutTrailingZerosExponentOrNegativeZero) {
  EXPECT_EQ(e8_string(0), "0");
  EXPECT_EQ(e8_string(1), "0.00000001");
  EXPECT_EQ(e8_string(-1), "-0.00000001");
  EXPECT_EQ(e8_string(kE8), "1");
  EXPECT_EQ(e8_string(-150'000'000), "-1.5");
  EXPECT_EQ(e8_string(1'000'000'000'000), "10000");
  EXPECT_EQ(e8_string(kMaxE8), "92233720368.54775807");
  EXPECT_EQ(decimal_string(-5, 0), "-5");
  EXPECT_EQ(decimal_string(0, 6), "0");
  EXPECT_EQ(decimal_string(1'230'000, 6), "1.23");
}

TEST(Decimal, PrintsTheWholeRangeOf128Bits) {
  const int128 largest = static_cast<int128>(~uint128{0} >> 1U);
  EXPECT_EQ(decimal_string(largest, 0), "170141183460469231731687303715884105727");
  EXPECT_EQ(decimal_string(-largest - 1, 0), "-170141183460469231731687303715884105728");
  EXPECT_EQ(decimal_string(largest, 16), "17014118346046923173168.7303715884105727");
}

TEST(Decimal, ReadsBackWhatItPrints) {
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{7}, -kE8, kMaxE8, -kMaxE8 + 1,
                                   std::int64_t{1'678'900'000'000}}) {
    EXPECT_EQ(e8_from_string(e8_string(value)), value);
  }
}

TEST(Decimal, TakesTheNearestOfADouble) {
  EXPECT_EQ(e8_from_double(167.89), 16'789'000'000);
  EXPECT_EQ(e8_from_double(-0.1), -10'000'000);
  EXPECT_EQ(e8_from_double(0.0), 0);
  EXPECT_EQ(e8_from_double(-0.0), 0);
  EXPECT_EQ(e8_from_double(1e-9), 0);
}

TEST(Decimal, CallsADoubleThatDoesNotFitInvalid) {
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity(), 1e11, -1e11, 1e308}) {
    EXPECT_EQ(e8_from_double(value), kInvalidE8) << value;
  }
  EXPECT_TRUE(is_valid_number(e8_from_double(9.2e10)));
}

TEST(Decimal, CallsAWholeNumberThatDoesNotFitInvalid) {
  EXPECT_EQ(e8_from_int(92'233'720'368), 9'223'372'036'800'000'000);
  EXPECT_EQ(e8_from_int(92'233'720'369), kInvalidE8);
  EXPECT_EQ(e8_from_int(-92'233'720'368), -9'223'372'036'800'000'000);
  EXPECT_EQ(e8_from_int(-92'233'720'369), kInvalidE8);
  EXPECT_EQ(e8_from_int(std::numeric_limits<std::int64_t>::min()), kInvalidE8);
}

TEST(Decimal, TellsNullFromInvalidFromNumber) {
  EXPECT_TRUE(is_null(kNullE8));
  EXPECT_FALSE(is_valid_number(kNullE8));
  EXPECT_FALSE(is_null(kInvalidE8));
  EXPECT_FALSE(is_valid_number(kInvalidE8));
  EXPECT_TRUE(is_valid_number(kInvalidE8 + 1));
}

TEST(Decimal, DividesHalfAwayFromZeroForEverySign) {
  EXPECT_EQ(divide_rounded(5, 2), 3);
  EXPECT_EQ(divide_rounded(-5, 2), -3);
  EXPECT_EQ(divide_rounded(5, -2), -3);
  EXPECT_EQ(divide_rounded(-5, -2), 3);
  EXPECT_EQ(divide_rounded(4, 3), 1);
  EXPECT_EQ(divide_rounded(-4, 3), -1);
  EXPECT_EQ(divide_rounded(1, 3), 0);
  EXPECT_EQ(divide_rounded(-1, 2), -1);
  EXPECT_EQ(divide_rounded(0, 7), 0);
}

TEST(Decimal, RescalesOnceAndOnlyDown) {
  EXPECT_EQ(rescale(123'456'789, 8, 4), 12'346);
  EXPECT_EQ(rescale(-123'450'000, 8, 4), -12'345);
  EXPECT_EQ(rescale(50'000, 16, 12), 5);
  EXPECT_EQ(rescale(7, 8, 8), 7);
  // 0.445 to two decimals by way of three would give 0.45 of 0.4449…: rounded once, it does not.
  EXPECT_EQ(rescale(44'499'999, 8, 2), 44);
}

}  // namespace
}  // namespace ddt
