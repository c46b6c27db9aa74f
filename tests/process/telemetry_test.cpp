// A whole Telemetry beside the real drain: threads that attach, that publish first and attach by it, that come and
// go, register names, are refused, publish from handlers, and outlive it. The thread sanitizer runs this again as
// process.telemetry_tsan, bot and drain over one mapping: what W1, R1, R2, W2, C1, C2, a count of names or Lanes and
// the producer's own locks do not order is then a report.
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/drain_by_hand.hpp"
#include "tests/support/record_kinds.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

constexpr std::uint64_t kSpeakers = 3, kRecords = 3'000;  // laps of a short Lane, for each of them
constexpr std::uint64_t kRounds = 30, kShortThreads = 3;
constexpr std::int64_t kPatienceNs = 300 * kNsPerSecond;  // nothing here waits for ever

std::string name_of(std::int64_t duration_ns) { return "call " + std::to_string(duration_ns); }

// The sidecar's drain in a thread of its own, from before the bot until its Segment is retired.
class DrainThread {
 public:
  DrainThread(const std::string& directory, std::size_t retirements)
      : thread_([this, directory, retirements] { run(directory, retirements); }) {}
  ~DrainThread() {
    if (thread_.joinable()) finish();
  }
  // Once it has retired what it waits for, or has waited too long.
  void finish() { thread_.join(); }
  void give_up() { gives_up_ = true; }

  // After finish().
  test::HandLedger ledger;
  std::size_t retired = 0, quarantined = 0;
  std::uint64_t holes = 0, latencies = 0, misnamed = 0;

 private:
  void run(const std::string& directory, std::size_t retirements) {
    test::DrainByHand drain(directory);
    drain.show_blocks_to([this](const model::Block& block) { look_at(block); });
    const std::int64_t end = monotonic_ns() + kPatienceNs;
    while (drain.retired() < retirements && monotonic_ns() < end && !gives_up_) {
      if (drain.work() == 0) std::this_thread::yield();
    }
    ledger = drain.ledger();
    retired = drain.retired();
    quarantined = drain.quarantined();
    holes = drain.holes();
  }
  // A call's name says how long it took: the name that a thread registered is the one its Record is read with.
  void look_at(const model::Block& block) {
    for (const model::LatencyMinute& minute : block.latency_minutes) {
      if (minute.endpoint.empty()) continue;  // a speaker's
      std::uint64_t calls = 0;
      for (const auto& [status, count] : minute.summary.outcomes) calls += count;
      const auto each =
          static_cast<std::int64_t>(minute.summary.sum_ns) / static_cast<std::int64_t>(calls);
      misnamed += minute.endpoint == name_of(each) ? 0 : 1;
      latencies += calls;
    }
  }

  std::atomic<bool> gives_up_{false};
  std::thread thread_;
};

// What all threads of the bot were answered.
struct Answers {
  std::atomic<std::uint64_t> ok{0}, full{0}, invalid{0}, others{0};
  Published count(Published answer) {
    (answer == Published::ok        ? ok
     : answer == Published::full    ? full
     : answer == Published::invalid ? invalid
                                    : others)
        .fetch_add(1);
    return answer;
  }
};

const Telemetry* the_telemetry = nullptr;
Answers* the_answers = nullptr;

class TelemetryThreads : public testing::Test {
 protected:
  void SetUp() override {
    the_answers = &answers;
    struct sigaction action {};
    action.sa_handler = [](int) {
      const Published answer = test::say_metric(*the_telemetry);
      if (answer != Published::reentrant) the_answers->count(answer);
    };
    action.sa_flags = SA_RESTART;
    ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
  }
  void TearDown() override { ::signal(SIGUSR1, SIG_DFL); }
  TelemetryOptions options() const {
    return {.profile_id = 7,
            .script_name = "bot",
            .directory = directory.path(),
            .lane_lines = kLaneLinesMin};
  }
  // Until it is taken; every refusal on the way is counted.
  void say(const Telemetry& telemetry, const test::Saying& saying) {
    const std::int64_t end = monotonic_ns() + kPatienceNs;
    while (answers.count(saying.say(telemetry)) != Published::ok) {
      if (monotonic_ns() > end) return;  // and the counts will not be what they should be
      std::this_thread::yield();
    }
  }
  // Every kind in turn, and now and then what is refused or comes without its metadata.
  void speak(const Telemetry& telemetry) {
    for (std::uint64_t n = 0; n < kRecords; ++n) {
      say(telemetry, test::kSayings[n % std::size(test::kSayings)]);
      if (n % 16 == 0) answers.count(telemetry.publish(Latency{.duration_ns = -1}));
      if (n % 64 == 0)
        say(telemetry, {"", RecordKind::trade, [](const Telemetry& bot) {
                          return bot.publish(test::some_trade(test::kTooLongMetadata));
                        }});
    }
  }
  // A short life: a name, a Record with it, nothing more. The first publish attaches.
  void call_once(const Telemetry& telemetry, std::int64_t duration_ns) {
    const NameId name = telemetry.name(name_of(duration_ns));
    const std::int64_t end = monotonic_ns() + kPatienceNs;
    while (answers.count(telemetry.publish(Latency{
               .endpoint = name, .duration_ns = duration_ns, .outcome = 200})) != Published::ok) {
      if (monotonic_ns() > end) return;
      std::this_thread::yield();
    }
  }

  test::TempDirectory directory;
  Answers answers;
};

TEST_F(TelemetryThreads, SpeakComeAndGoAndAreCountedWhileTheDrainReads) {
  DrainThread sidecar(directory.path(), 1);
  std::optional<Telemetry> telemetry(std::in_place, options());
  ASSERT_TRUE(telemetry->is_attached()) << telemetry->status_text();
  the_telemetry = &*telemetry;
  std::atomic<bool> is_over{false};
  std::vector<std::thread> speakers;
  for (std::uint64_t i = 0; i < kSpeakers; ++i) {
    speakers.emplace_back([&, i] {
      // The first one attaches by what it says.
      EXPECT_TRUE(i == 0 || telemetry->attach_thread());
      speak(*telemetry);
    });
  }
  std::thread parent([&] {
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      std::vector<std::thread> threads;
      for (std::uint64_t i = 0; i < kShortThreads; ++i) {
        const auto duration = static_cast<std::int64_t>(1 + round * kShortThreads + i);
        threads.emplace_back([&, duration] { call_once(*telemetry, duration); });
      }
      for (auto& thread : threads) thread.join();
    }
  });
  // Meanwhile this thread publishes from handlers, and asks what may be asked from anywhere.
  std::thread asker([&] {
    while (!is_over) {
      EXPECT_TRUE(telemetry->is_attached());
      EXPECT_FALSE(telemetry->status_text().empty());
      EXPECT_LE(telemetry->lines_free(), telemetry->lane_lines());
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < 200; ++i) ::pthread_kill(::pthread_self(), SIGUSR1);
  for (auto& speaker : speakers) speaker.join();
  parent.join();
  is_over = true;
  asker.join();
  telemetry.reset();
  sidecar.finish();

  const std::uint64_t calls = kRounds * kShortThreads;
  EXPECT_EQ(sidecar.ledger.stored, answers.ok.load());
  EXPECT_EQ(sidecar.ledger.dropped(), answers.full.load());
  EXPECT_EQ(sidecar.ledger.refused, answers.invalid.load());
  EXPECT_EQ(sidecar.ledger.residual(), 0);
  EXPECT_EQ(sidecar.ledger.rejected, 0U);
  EXPECT_EQ(answers.others.load(), 0U);
  EXPECT_GT(answers.ok.load(), kSpeakers * kRecords + calls);
  EXPECT_GT(answers.full.load(), 0U) << "no Lane was ever full";
  EXPECT_EQ(sidecar.misnamed, 0U);
  EXPECT_EQ(sidecar.latencies, calls);
  EXPECT_EQ(sidecar.holes, 0U);
  EXPECT_EQ(sidecar.quarantined, 0U);
  EXPECT_EQ(sidecar.retired, 1U);
}

// The Telemetry goes first, its threads later: the last lease takes the Segment with it.
TEST_F(TelemetryThreads, OutliveTheirTelemetryAgainAndAgain) {
  constexpr std::size_t kLives = 10;
  DrainThread sidecar(directory.path(), kLives);
  for (std::size_t life = 0; life < kLives; ++life) {
    std::optional<Telemetry> telemetry(std::in_place, options());
    std::atomic<std::size_t> spoken{0};
    std::atomic<bool> may_end{false};
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        say(*telemetry, test::kSayings[2]);
        spoken.fetch_add(1);
        while (!may_end) std::this_thread::yield();
      });
    }
    while (spoken.load() != 3) std::this_thread::yield();
    telemetry.reset();
    may_end = true;
    for (auto& thread : threads) thread.join();
  }
  sidecar.finish();
  EXPECT_EQ(sidecar.retired, kLives);
  EXPECT_EQ(sidecar.ledger.stored, 3 * kLives);
  EXPECT_EQ(sidecar.ledger.residual(), 0);
  EXPECT_EQ(sidecar.quarantined, 0U);
}

}  // namespace
}  // namespace ddt
