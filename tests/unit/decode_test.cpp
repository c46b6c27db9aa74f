// What a Record may say: everything that no store takes ends here, because one row costs everybody's transaction.
#include "sidecar/drain/decode.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shm/base/clock.hpp"
#include "shm/base/utf8.hpp"
#include "sidecar/drain/block_builder.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000'000'000;

class Decode : public testing::Test {
 protected:
  Decode() : Decode({"order_monitor"}) {}
  explicit Decode(std::vector<std::string> names) {
    auto made = SegmentWriter::create({.directory = directory_.path(),
                                       .profile_id = 7,
                                       .lane_lines = kLaneLinesMin,
                                       .names = std::move(names),
                                       .script_name = 1});
    EXPECT_TRUE(made);
    writer_.emplace(std::move(*made));
    auto opened = SegmentReader::open(directory_.path(), segment_names(directory_.path())->front());
    EXPECT_TRUE(opened);
    reader_.emplace(std::move(*opened));
  }
  template <typename Body>
  RecordCopy& record(const Body& body, const std::string& texts) {
    *copy_ = {};
    copy_->head = {.sequence = 1,
                   .ordinal = 0,
                   .refused = 0,
                   .stamp = static_cast<std::uint64_t>(kNow),
                   .kind = Body::kKind,
                   .lines = kEventTimeGiven,
                   .script = 1,
                   .profile_id = 7};
    std::memcpy(copy_->payload.data(), &body, sizeof body);
    std::memcpy(copy_->payload.data() + sizeof body, texts.data(), texts.size());
    copy_->lines = lines_for(sizeof body + texts.size());
    copy_->payload_bytes =
        static_cast<std::uint32_t>(kFirstPayloadBytes + (copy_->lines - 1) * kLaterPayloadBytes);
    return *copy_;
  }
  // "" where it is an Event.
  std::string refusal(const RecordCopy& copy) {
    const auto decoded = decode(copy, *reader_, counts_);
    const auto* undecodable = std::get_if<Undecodable>(&decoded);
    return undecodable == nullptr ? "" : undecodable->reason;
  }
  std::string error_refusal(std::size_t code, std::size_t text, std::size_t severity) {
    ErrorBody body{};
    body.severity = kOtherWord;
    body.text_bytes[0] = static_cast<std::uint8_t>(code);
    body.text_bytes[1] = static_cast<std::uint8_t>(text);
    body.text_bytes[2] = static_cast<std::uint8_t>(severity);
    return refusal(record(body, std::string(code + text + severity, 'x')));
  }
  std::string signal_refusal(std::size_t id, std::size_t reason) {
    SignalBody body{};
    body.bar_strength_e8 = body.close_price_e8 = body.candle_size_e8 = body.volume_e8 = kNullE8;
    body.text_bytes[0] = static_cast<std::uint8_t>(id);
    body.text_bytes[1] = 3;
    body.text_bytes[2] = static_cast<std::uint8_t>(reason);
    return refusal(record(body, std::string(id, 'i') + "SPY" + std::string(reason, 'r')));
  }

  test::TempDirectory directory_;
  std::optional<SegmentWriter> writer_;
  std::optional<SegmentReader> reader_;
  std::unique_ptr<RecordCopy> copy_ = std::make_unique<RecordCopy>();
  DecodeCounts counts_;
};

TEST_F(Decode, RefusesTextsLongerThanABotCanPublish) {
  EXPECT_EQ(error_refusal(50, 200, 50), "");
  EXPECT_EQ(error_refusal(51, 200, 50), "text length");
  EXPECT_EQ(error_refusal(50, 201, 50), "text length");
  EXPECT_EQ(error_refusal(50, 200, 51), "text length");
  EXPECT_EQ(signal_refusal(64, 50), "");
  EXPECT_EQ(signal_refusal(65, 50), "text length");
  EXPECT_EQ(signal_refusal(64, 51), "text length");
}

TEST_F(Decode, RefusesMetadataLongerThanABotCanPublish) {
  ErrorBody body{};
  const std::string longest = R"({"a":")" + std::string(kMetadataBytesMax - 8, 'x') + R"("})";
  body.metadata_bytes = static_cast<std::uint16_t>(longest.size());
  EXPECT_EQ(refusal(record(body, longest)), "");
  const std::string longer = R"({"a":")" + std::string(kMetadataBytesMax - 7, 'x') + R"("})";
  body.metadata_bytes = static_cast<std::uint16_t>(longer.size());
  EXPECT_EQ(refusal(record(body, longer)), "text length");
}

TEST_F(Decode, RefusesTextsBeyondTheLinesThatWereCopied) {
  ErrorBody body{};
  body.text_bytes[0] = 50;
  RecordCopy& copy = record(body, "");
  EXPECT_EQ(refusal(copy), "text length") << "one line holds 16 bytes of text";
}

TEST(Utf8, IsToldFromOtherBytes) {
  for (const char* good : {"", "abc", "é", "€", "\xF0\x9F\x98\x80"}) EXPECT_TRUE(is_utf8(good));
  for (const char* bad : {"\x80", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "a\xFFz"})
    EXPECT_FALSE(is_utf8(bad));
}

// A pair that the bot has forged: UBSan looks for the overflow (hostile.decode_asan).
TEST_F(Decode, ConvertsAStampByAForgedCalibrationWithoutOverflow) {
  const CalibrationPair forged{
      .ticks = 0, .wall_ns = std::numeric_limits<std::int64_t>::min(), .ns_per_tick_q32 = 1};
  std::fstream file(writer_->path(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(offsetof(SegmentHeader, calibration));
  file.write(reinterpret_cast<const char*>(&forged), sizeof forged);
  file.close();
  auto again = SegmentReader::open(directory_.path(), reader_->name());
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->calibrate(1'000, kNow, std::uint64_t{1} << 32U, 1'000));
  EXPECT_EQ(again->wall_time_ns(1'000), kNow) << "our own pair is the last one";
}

// ── names ────────────────────────────────────────────────────────────────────────────────────────────

class Names : public Decode {
 protected:
  Names() : Decode({std::string("bad\xFF\x01name"), std::string(63, 's')}) {}
};

TEST_F(Names, AreMadeFitForEveryStore) {
  EXPECT_EQ(reader_->name_at(1), "bad??name");
  EXPECT_EQ(reader_->script_name(), "bad??name");
}

TEST_F(Names, AreCutToWhatAScriptsColumnHolds) {
  EXPECT_EQ(reader_->name_at(2).size(), 63U);
  EXPECT_EQ(reader_->script_at(2), std::string(50, 's'));
  LatencyBody body{};
  RecordCopy& copy = record(body, "");
  copy.head.script = 2;
  const auto decoded = decode(copy, *reader_, counts_);
  ASSERT_TRUE(std::holds_alternative<model::Event>(decoded));
  EXPECT_EQ(model::origin_of(std::get<model::Event>(decoded)).script_name, std::string(50, 's'));
}

// ── memory ───────────────────────────────────────────────────────────────────────────────────────────

// Samples fold into one Summary, unless a bot makes every one of them the first of its minute.
TEST(BlockBytes, CountASummaryForEveryMinuteThatIsNew) {
  BlockBuilder folded{model::Block{}}, scattered{model::Block{}};
  const auto add = [](BlockBuilder& builder, std::int64_t time_ns) {
    const Sample sample{.kind = RecordKind::latency,
                        .metric_kind = {},
                        .script = 1,
                        .name = 2,
                        .profile_id = 7,
                        .outcome = 200,
                        .position = 0,
                        .event_time_ns = time_ns,
                        .value = 1'000};
    if (!builder.try_add(sample)) builder.add(sample, "order_monitor", "submit");
  };
  for (int i = 0; i < 1'000; ++i) {
    add(folded, kNow);
    add(scattered, kNow + i * 60 * kNsPerSecond);
  }
  EXPECT_LT(folded.bytes_estimate(), 100'000U);
  EXPECT_GT(scattered.bytes_estimate(), 1'000U * sizeof(model::LatencyMinute));
}

}  // namespace
}  // namespace ddt::sidecar
