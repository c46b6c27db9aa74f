// A signal handler that publishes in the middle of a publish of its thread: refused or safe, at every
// instruction, and everything that was answered is counted.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <tuple>

#include "tests/support/record_kinds.hpp"
#include "tests/support/single_step.hpp"

namespace ddt {
namespace {

using test::Saying;
using test::SharedValue;
using test::SteppedChild;
using test::TempDirectory;

Published say_nonsense(const Telemetry& telemetry) {
  return telemetry.publish(Latency{.duration_ns = -1});
}
Published say_too_much(const Telemetry& telemetry) {
  return telemetry.publish(test::some_trade(test::kTooLongMetadata));
}

constexpr Saying kOuter[] = {
    {"latency", RecordKind::latency, &test::say_latency},
    {"trade", RecordKind::trade, &test::say_trade},
    {"nonsense", RecordKind::latency, &say_nonsense},
    {"trade_without_its_metadata", RecordKind::trade, &say_too_much},
};
constexpr Saying kInner[] = {
    {"metric", RecordKind::metric, &test::say_metric},
    {"order", RecordKind::order, &test::say_order},
    {"nonsense", RecordKind::latency, &say_nonsense},
};

// How often each answer was given.
struct Answers {
  std::array<int, 8> count;
  void add(Published answer) { ++count[static_cast<std::size_t>(answer)]; }
  std::uint64_t of(Published answer) const {
    return static_cast<std::uint64_t>(count[static_cast<std::size_t>(answer)]);
  }
};

const Telemetry* the_telemetry = nullptr;
Answers* the_answers = nullptr;
const Saying* the_inner = nullptr;

class SignalHandler : public testing::TestWithParam<std::tuple<Saying, Saying, bool>> {
 protected:
  const Saying& outer() const { return std::get<0>(GetParam()); }
  const Saying& inner() const { return std::get<1>(GetParam()); }
  bool is_full() const { return std::get<2>(GetParam()); }

  // One life: the signal comes after `deadline` instructions of the outer publish. Returns how many
  // instructions there were before it.
  int live(const TempDirectory& directory, int deadline, SharedValue<Answers>& answers) {
    std::optional<Telemetry> telemetry;
    SteppedChild bot(
        [&] {
          telemetry.emplace(TelemetryOptions{.profile_id = 7,
                                             .script_name = "bot",
                                             .directory = directory.path(),
                                             .lane_lines = kLaneLinesMin});
          the_telemetry = &*telemetry;
          the_answers = &*answers;
          the_inner = &inner();
          struct sigaction action {};
          action.sa_handler = [](int) { the_answers->add(the_inner->say(*the_telemetry)); };
          if (::sigaction(SIGUSR1, &action, nullptr) != 0) return false;
          say_before(*telemetry, *answers);
          return true;
        },
        [&] { answers->add(outer().say(*telemetry)); });
    EXPECT_TRUE(bot.is_ready());
    int instructions = 0;
    while (instructions < deadline && bot.step()) ++instructions;
    EXPECT_TRUE(bot.finish(SIGUSR1)) << "after instruction " << instructions;
    return instructions;
  }
  // Samples up to half of the Lane and one more, where that is what the signal is to interrupt.
  void say_before(const Telemetry& telemetry, Answers& answers) const {
    for (std::uint32_t i = 0; is_full() && i <= kLaneLinesMin / 2; ++i)
      answers.add(test::say_latency(telemetry));
  }
};

// Every Record whole, ordinals without holes, every answer counted once.
void expect_ledger(const TempDirectory& directory, const Answers& answers, bool& was_reentrant) {
  auto segment = test::open_only_segment(directory.path());
  ASSERT_TRUE(segment) << segment.error().message;
  LaneReader lane = segment->lane(0, 0);
  std::uint64_t published = 0, asked = 0;
  RecordCopy copy{};
  Peeked peeked{};
  while ((peeked = lane.read(copy)) == Peeked::record) {
    ASSERT_EQ(copy.head.ordinal - copy.head.refused, published)
        << "an ordinal was given twice or never";
    ASSERT_EQ(copy.head.profile_id, 7);
    ++published;
    asked = copy.head.ordinal + 1;
  }
  ASSERT_EQ(peeked, Peeked::empty);
  const LaneControl& control = *segment->lane_control(0);
  const std::uint64_t dropped = control.dropped[0] + control.dropped[1] + control.dropped[2];
  ASSERT_EQ(published, answers.of(Published::ok));
  ASSERT_EQ(dropped, answers.of(Published::full));
  ASSERT_EQ(control.refused, answers.of(Published::invalid));
  ASSERT_EQ(control.reentrant, answers.of(Published::reentrant));
  ASSERT_EQ(std::max(asked, control.ordinals.load()), published + dropped + control.refused);
  was_reentrant = answers.of(Published::reentrant) > 0;
}

// At each of the last instructions, where the Lane is written, and at every fortieth of the encoder before.
TEST_P(SignalHandler, ThatPublishesInsideAPublishIsRefusedOrSafeAtEveryInstruction) {
  constexpr int kLastOnes = 100, kStride = 40;
  int refused = 0, safe = 0, instructions = 0;
  const auto signal_after = [&](int deadline) {
    const TempDirectory directory;
    SharedValue<Answers> answers;
    instructions = std::max(instructions, live(directory, deadline, answers));
    bool was_reentrant = false;
    ASSERT_NO_FATAL_FAILURE(expect_ledger(directory, *answers, was_reentrant))
        << "after instruction " << deadline;
    ++(was_reentrant ? refused : safe);
  };
  signal_after(1 << 20);  // behind all of them
  for (int deadline = 0; deadline < instructions && !HasFatalFailure();
       deadline += deadline + kLastOnes < instructions ? kStride : 1)
    signal_after(deadline);
  EXPECT_GT(refused, 0);
  EXPECT_GT(safe, 0);
}

std::string name_of(const testing::TestParamInfo<std::tuple<Saying, Saying, bool>>& of) {
  return std::string(std::get<1>(of.param).name) + "_inside_" +
         (std::get<2>(of.param) ? "a_refused_" : "") + std::get<0>(of.param).name;
}
INSTANTIATE_TEST_SUITE_P(Outer, SignalHandler,
                         testing::Combine(testing::ValuesIn(kOuter),
                                          testing::Values(kInner[0], kInner[2]),
                                          testing::Values(false)),
                         &name_of);
INSTANTIATE_TEST_SUITE_P(OfManyLines, SignalHandler,
                         testing::Combine(testing::Values(kOuter[0]), testing::Values(kInner[1]),
                                          testing::Values(false)),
                         &name_of);
INSTANTIATE_TEST_SUITE_P(Full, SignalHandler,
                         testing::Combine(testing::Values(kOuter[0]), testing::ValuesIn(kInner),
                                          testing::Values(true)),
                         &name_of);

}  // namespace
}  // namespace ddt
