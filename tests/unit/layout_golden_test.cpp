// Layout version 1, byte by byte: what a Segment, a Lane's control block and every kind of Record look like
// for fixed inputs. A difference here is another layout: it needs another kLayoutVersion, and a sidecar that
// reads both (docs/formats/segment.md).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ddt/telemetry.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "shm/segment.hpp"
#include "tests/support/drain_by_hand.hpp"
#include "tests/support/record_kinds.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

// Eight bytes a word, eight words a line: as they lie in the file.
std::string hex(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(bytes[i]));
    text += digits;
    if (i % 64 == 63) {
      text += '\n';
    } else if (i % 8 == 7) {
      text += ' ';
    }
  }
  return text;
}

Published say_short_error(const Telemetry& telemetry) {
  return telemetry.publish(
      ErrorReport{.code = "E42", .text = "out of margin", .event_time_ns = test::kSaidAtNs});
}

struct Golden {
  const char* name;
  Published (*say)(const Telemetry&);
  const char* hex;
};
std::ostream& operator<<(std::ostream& out, const Golden& golden) { return out << golden.name; }

const char* const kHeader =
    "0044445453454731 0100000080000000 a0a1a2a3a4a5a6a7 a8a9aaabacadaeaf 04030201e8030000 "
    "0700000002000000 00002a36fe9c9717 0100000000000000\n"
    "0300000001000000 0100000000000000 8877665544332211 01002a36fe9c9717 0000000000000000 "
    "0000000000000000 0000000000000000 0000000000000000\n";
const char* const kNames =
    "0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
    "0000000000000000 0000000000000000 0000000000000000\n"
    "03626f7400000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
    "0000000000000000 0000000000000000 0000000000000000\n"
    "0f504f5354202f76 322f6f7264657273 0000000000000000 0000000000000000 0000000000000000 "
    "0000000000000000 0000000000000000 0000000000000000\n";
const char* const kFreshLane =
    "0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
    "0000000000000000 0000000000000000 0000000000000000\n"
    "0100000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
    "0000000000000000 0000000000000000 0000000000000000\n";
const char* const kControl =
    "1100000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
    "0000000000000000 0000000000000000 0000000000000000\n"
    "0100000000000000 2100000000000000 2200000000000000 2300000000000000 3100000000000000 "
    "4100000000000000 5100000000000000 6100000000000000\n";

const Golden kGoldens[] = {
    {"signal", &test::say_signal,
     "0100000000000000 0000000000000000 0000000000000000 15cd853dfe9c9717 0141010007000000 "
     "0100000000000000 0200000000000000 0000000000000080\n"
     "0200000000000000 0000000000000080 0203050306000000 0000000000000000 7369672d31535059 "
     "63686f7070790000 0000000000000000 0000000000000000\n"},
    {"order", &test::say_order,
     "0100000000000000 0000000000000000 0000000000000000 15cd853dfe9c9717 0241010007000000 "
     "0100000000000000 0000000000000080 0000000000000080\n"
     "0200000000000000 0000000000000080 0000000000000080 0201010300000500 0000070000000000 "
     "6f2d3142524b2e42 7b2262223a327d00 0000000000000000\n"},
    {"trade", &test::say_trade,
     "0100000000000000 0000000000000000 0000000000000000 15cd853dfe9c9717 0342010007000000 "
     "0100000000000000 0000000000000080 0200000000000000\n"
     "0200000000000000 0300000000000000 0000000000000080 0000000000000000 13cd853dfe9c9717 "
     "14cd853dfe9c9717 0000000000000080 0000000000000080\n"
     "0300000000000000 0101010012030000 0000000007000000 5350593133313031 3943303031373230 "
     "3030742d317b2263 223a337d00000000 0000000000000000\n"},
    {"error", &say_short_error,
     "0100000000000000 0000000000000000 0000000000000000 15cd853dfe9c9717 0440010007000000 "
     "04030d0000000000 4534326f7574206f 66206d617267696e\n"},
    {"equity", &test::say_equity,
     "0100000000000000 0000000000000000 0000000000000000 15cd853dfe9c9717 0541010007000000 "
     "0100000000000000 0000000000000080 0000000000000080\n"
     "0200000000000000 0000000000000080 0000000000000080 faffffffffffffff ffffffff00000000 "
     "0000000000000000 0000000000000000 0000000000000000\n"},
    {"position", &test::say_position,
     "0100000000000000 0000000000000000 0000000000000000 15cd853dfe9c9717 0641010007000000 "
     "0100000000000000 0000000000000080 0000000000000080\n"
     "0200000000000000 0000000000000080 0000000000000080 0203000000000000 5350590000000000 "
     "0000000000000000 0000000000000000 0000000000000000\n"},
    {"rate_limit", &test::say_rate_limit,
     "0100000000000000 0000000000000000 0000000000000000 15cd853dfe9c9717 0741010007000000 "
     "0100000000000000 c800000000000000 0000000000000080\n"
     "0200000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
     "0000000000000000 0000000000000000 0000000000000000\n"},
    {"health", &test::say_health,
     "0100000000000000 0000000000000000 0000000000000000 15cd853dfe9c9717 0841010007000000 "
     "0100000000000000 0000000000000000 0000000000000080\n"
     "0200000000000000 0000000000000080 ffffffffffffffff 0100000000000000 0000000000000000 "
     "0000000000000000 0000000000000000 0000000000000000\n"},
    {"latency", &test::say_latency,
     "0100000000000000 0000000000000000 0000000000000000 15cd853dfe9c9717 0940010007000000 "
     "87d6120000000000 0000ad0100000000 0000000000000000\n"},
    {"metric", &test::say_metric,
     "0100000000000000 0000000000000000 0000000000000000 15cd853dfe9c9717 0a40010007000000 "
     "d6ffffffffffffff 0000020000000000 0000000000000000\n"},
};

class LayoutGolden : public testing::Test {
 protected:
  SegmentWriter::Options options() const {
    return {.directory = directory.path(),
            .profile_id = 7,
            .lane_lines = kLaneLinesMin,
            .names = {"bot", "POST /v2/orders"},
            .script_name = 1};
  }
  // The whole file, as any program would read it.
  std::string bytes() const {
    const auto names = segment_names(directory.path());
    if (!names || names->size() != 1) return {};
    std::ifstream file(directory / names->front(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  test::TempDirectory directory;
};

// Overwrites what no two Segments have in common.
template <typename T>
void fix(std::string& bytes, std::size_t offset, T value) {
  bytes.replace(offset, sizeof value,
                std::string(reinterpret_cast<const char*>(&value), sizeof value));
}
template <typename T>
T word_at(const std::string& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

TEST_F(LayoutGolden, OfASegmentsHeaderAndNames) {
  auto segment = SegmentWriter::create(options());
  ASSERT_TRUE(segment) << segment.error().message;
  ASSERT_TRUE(segment->claim_lane());
  std::string file = bytes();
  ASSERT_EQ(file.size(), 0x20000U + 256U * 128U * 64U);
  const auto id = segment_id_of(segment_names(directory.path())->front());
  ASSERT_TRUE(id);
  EXPECT_EQ(file.substr(16, 16), std::string(id->begin(), id->end()));
  EXPECT_EQ(word_at<std::uint32_t>(file, 32), static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(word_at<std::uint32_t>(file, 36), ::geteuid());
  EXPECT_EQ(word_at<std::uint32_t>(file, 44), has_invariant_tsc() ? 2U : 1U);
  for (std::uint8_t i = 0; i < 16; ++i)
    fix(file, std::size_t{16} + i, static_cast<std::uint8_t>(0xA0 + i));
  fix(file, 32, std::uint32_t{0x01020304});
  fix(file, 36, std::uint32_t{1000});
  fix(file, 44, std::uint32_t{2});
  fix(file, 48, std::int64_t{1'700'000'000'000'000'000});
  fix(file, 80, std::uint64_t{0x1122334455667788});
  fix(file, 88, std::int64_t{1'700'000'000'000'000'001});
  EXPECT_EQ(hex(file.substr(0, 128)), kHeader);
  EXPECT_EQ(file.substr(128, 0x1000 - 128), std::string(0x1000 - 128, '\0'));
  EXPECT_EQ(hex(file.substr(0x1000, 192)), kNames);
  EXPECT_EQ(hex(file.substr(0x9000, 128)), kFreshLane);
}

TEST_F(LayoutGolden, OfALanesControlBlock) {
  LaneControl control{};
  control.released = 0x11;
  control.claimed = 1;
  for (std::size_t i = 0; i < kRecordClasses; ++i) control.dropped[i] = 0x21 + i;
  control.refused = 0x31;
  control.ordinals = 0x41;
  control.metadata_left_off = 0x51;
  control.reentrant = 0x61;
  EXPECT_EQ(hex({reinterpret_cast<const char*>(&control), sizeof control}), kControl);
}

class LayoutGoldenOfARecord : public LayoutGolden, public testing::WithParamInterface<Golden> {};

TEST_P(LayoutGoldenOfARecord, IsAsItWas) {
  const Telemetry telemetry(
      {.profile_id = 7, .script_name = "bot", .directory = directory.path(), .lane_lines = 128});
  ASSERT_EQ(GetParam().say(telemetry), Published::ok);
  const std::string file = bytes();
  const std::string golden = GetParam().hex;
  const auto lines = static_cast<std::size_t>(std::count(golden.begin(), golden.end(), '\n'));
  EXPECT_EQ(hex(file.substr(0x20000, lines * 64)), golden);
  EXPECT_EQ(file.substr(0x20000 + lines * 64, 64), std::string(64, '\0'));  // and no line more
}

INSTANTIATE_TEST_SUITE_P(Kinds, LayoutGoldenOfARecord, testing::ValuesIn(kGoldens),
                         [](const auto& of) { return std::string(of.param.name); });

// A bot of another version beside one of ours: refused by its name and its version, and nobody else is.
TEST_F(LayoutGolden, OfAnotherVersionIsRefusedByNameAndOthersGoOn) {
  std::string other;
  {
    const auto made = SegmentWriter::create(options());
    ASSERT_TRUE(made) << made.error().message;
    other = segment_names(directory.path())->front();
    const int fd = ::open((directory / other).c_str(), O_RDWR | O_CLOEXEC);
    const std::uint32_t version = 2;
    ASSERT_EQ(::pwrite(fd, &version, sizeof version, 8), 4);
    ::close(fd);
  }
  const Telemetry telemetry(
      {.profile_id = 7, .script_name = "bot", .directory = directory.path(), .lane_lines = 128});
  ASSERT_EQ(test::say_trade(telemetry), Published::ok);
  const auto opened = SegmentReader::open(directory.path(), other);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().message,
            directory / other + ": layout version 2, this sidecar reads version 1");
  test::DrainByHand drain(directory.path());
  for (int i = 0; i < 4; ++i) drain.work();
  EXPECT_EQ(drain.refused_segments(), 1U);
  EXPECT_EQ(drain.ledger().stored, 1U);
  EXPECT_EQ(drain.retired(), 0U);
  EXPECT_EQ(segment_names(directory.path())->size(), 2U);  // what we cannot read we do not delete
}

}  // namespace
}  // namespace ddt
