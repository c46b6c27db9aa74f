// A WebSocket channel with a clock of its own: what is conflated, what is not, and what a client can resume.
#include <gtest/gtest.h>

#include "api/ws/channel.hpp"
#include "sidecar/model/json.hpp"

namespace ddt::api {
namespace {

using Clock = Channel::Clock;

std::string message(std::int64_t seq, const std::string& kind, const std::string& rest = "") {
  return R"({"type":"update","seq":)" + std::to_string(seq) +
         R"(,"ts":"2026-01-01T00:00:00.000000Z","data":{"kind":")" + kind + "\"" + rest + "}}";
}
Update update(std::int64_t seq, const std::string& kind, const std::string& rest = "") {
  return *parse_update(7, message(seq, kind, rest));
}
std::vector<std::int64_t> seqs_in(const WsMessage& sent) {
  const auto json = model::JsonValue::parse(sent.text);
  EXPECT_TRUE(json) << sent.text;
  const auto* batch = json->find("data")->find("updates");
  if (batch == nullptr) return {json->int_or("seq", -1)};
  std::vector<std::int64_t> seqs;
  for (const auto& one : batch->items()) seqs.push_back(one.int_or("seq", -1));
  return seqs;
}

struct WsChannel : testing::Test {
  Channel channel;
  Clock::time_point now{std::chrono::hours(1)};
};

TEST_F(WsChannel, SendsALoneUpdateAtOnceAsItCame) {
  ASSERT_TRUE(channel.push(update(1, "trade")));
  const auto sent = channel.take(now);
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->text, message(1, "trade"));
  EXPECT_FALSE(channel.take(now));
  EXPECT_FALSE(channel.due());
}

TEST_F(WsChannel, SendsNoMoreThanOneMessageATick) {
  int messages = 0;
  for (std::int64_t seq = 1; seq <= 1'000; ++seq) {  // a second of 1 ms
    ASSERT_TRUE(channel.push(update(seq, "equity")));
    if (channel.take(now)) ++messages;
    now += std::chrono::milliseconds(1);
  }
  EXPECT_EQ(messages, 20);
}

TEST_F(WsChannel, KeepsTheNewestGaugeAndEveryFact) {
  ASSERT_TRUE(channel.push(update(1, "trade")));
  ASSERT_TRUE(channel.take(now));
  ASSERT_TRUE(channel.push(update(2, "equity")));
  ASSERT_TRUE(channel.push(update(3, "order")));
  ASSERT_TRUE(channel.push(update(4, "equity")));
  ASSERT_TRUE(channel.push(update(5, "order")));
  ASSERT_TRUE(channel.push(update(6, "position", R"(,"symbol":"SPY")")));
  ASSERT_TRUE(channel.push(update(7, "position", R"(,"symbol":"IBM")")));
  EXPECT_FALSE(channel.take(now));
  const auto sent = channel.take(now + Channel::kTick);
  ASSERT_TRUE(sent);
  EXPECT_EQ(seqs_in(*sent), (std::vector<std::int64_t>{3, 4, 5, 6, 7}));
  EXPECT_EQ(sent->last_seq, 7);
}

TEST_F(WsChannel, SplitsWhatIsTooLargeForAMessage) {
  const std::string large = R"(,"text":")" + std::string(100'000, 'x') + "\"";
  for (std::int64_t seq = 1; seq <= 6; ++seq)
    ASSERT_TRUE(channel.push(update(seq, "error", large)));
  std::vector<std::int64_t> seqs;
  for (int tick = 0; tick < 10; ++tick, now += Channel::kTick) {
    const auto sent = channel.take(now);
    if (!sent) continue;
    EXPECT_LT(sent->text.size(), Channel::kMessageBytesMax + 1'000);
    for (const auto seq : seqs_in(*sent)) seqs.push_back(seq);
  }
  EXPECT_EQ(seqs, (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}));
}

TEST_F(WsChannel, SaysWhenItHadToForget) {
  const std::string large = R"(,"text":")" + std::string(1'000'000, 'x') + "\"";
  bool is_whole = true;
  for (std::int64_t seq = 1; seq <= 9 && is_whole; ++seq)
    is_whole = channel.push(update(seq, "error", large));
  EXPECT_FALSE(is_whole);
  EXPECT_FALSE(channel.due());
  EXPECT_FALSE(channel.resume(0));
}

TEST_F(WsChannel, ResumesWhatItStillKnows) {
  channel.start_at(10);
  for (std::int64_t seq = 11; seq <= 15; ++seq) ASSERT_TRUE(channel.push(update(seq, "equity")));
  const auto missed = channel.resume(12);
  ASSERT_TRUE(missed);
  ASSERT_EQ(missed->size(), 1U);
  EXPECT_EQ(seqs_in(missed->front()), (std::vector<std::int64_t>{13, 14, 15}));
  EXPECT_TRUE(channel.resume(15)->empty());
  EXPECT_FALSE(channel.resume(9)) << "before what it knows";
  EXPECT_FALSE(channel.resume(16)) << "from another life";
  for (std::int64_t seq = 16; seq <= 16 + 1'000; ++seq)
    ASSERT_TRUE(channel.push(update(seq, "equity")));
  EXPECT_FALSE(channel.resume(12)) << "no longer kept";
  channel.forget();
  EXPECT_FALSE(channel.resume(1'000));
}

TEST(WsUpdate, ReadsOnlyUpdates) {
  EXPECT_FALSE(parse_update(7, "x"));
  EXPECT_FALSE(parse_update(7, R"({"type":"snapshot","seq":1,"data":{}})"));
  EXPECT_FALSE(parse_update(7, R"({"type":"update","seq":1})"));
  EXPECT_EQ(update(1, "trade").gauge, "");
  EXPECT_NE(update(1, "health", R"(,"script_name":"a")").gauge,
            update(1, "health", R"(,"script_name":"b")").gauge);
}

}  // namespace
}  // namespace ddt::api
