// SIGSTOP of the sidecar under load: the Lane takes what fits by class, facts longest; what does not is
// counted exactly; and once the sidecar goes on, MySQL's ledger says the same.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <ddt/telemetry.hpp>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "sql/client.hpp"
#include "tests/support/private_mysql.hpp"
#include "tests/support/private_redis.hpp"
#include "tests/support/record_kinds.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

constexpr std::uint32_t kLines = 512;
constexpr std::int64_t kTimeoutNs = 60 * kNsPerSecond;

// The real binary, with stores of its own.
class SidecarProcess {
 public:
  SidecarProcess(const std::vector<std::string>& settings, std::string log) : log_(std::move(log)) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int fd = ::open(log_.c_str(), O_CREAT | O_WRONLY, 0600);
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
    std::vector<std::string> words{DDT_BIN_DIR "/ddt-sidecar"};
    for (const std::string& setting : settings) {
      words.emplace_back("--set");
      words.push_back(setting);
    }
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::execv(arguments.front(), arguments.data());
    ::_exit(127);
  }
  SidecarProcess(const SidecarProcess&) = delete;
  SidecarProcess& operator=(const SidecarProcess&) = delete;
  ~SidecarProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  // Returns when every thread of it stands still.
  bool stop() const {
    int status = 0;
    return ::kill(pid_, SIGSTOP) == 0 && ::waitpid(pid_, &status, WUNTRACED) == pid_ &&
           WIFSTOPPED(status);
  }
  void go_on() const { ::kill(pid_, SIGCONT); }
  std::string log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string log_;
  pid_t pid_ = -1;
};

struct Counts {
  std::array<std::uint64_t, kRecordClasses> ok, full;
  std::uint64_t other;
};

class StoppedSidecar : public testing::Test {
 protected:
  StoppedSidecar() {
    if (!sql::create_database_if_missing(mysql.options())) throw std::runtime_error("no database");
    sidecar.emplace(
        std::vector<std::string>{"telemetry.dir=" + directory.path(), "sidecar.id=test",
                                 "redis.port=" + std::to_string(redis.port()),
                                 "mysql.unix_socket=" + mysql.socket_path(), "mysql.user=root",
                                 "mysql.database=deltadyno", "sidecar.rollup_interval_ms=50"},
        (mysql.directory() / "sidecar.log").string());
  }
  // Says one of a class and counts the answer. Returns it.
  Published say(std::size_t record_class) {
    static constexpr Published (*kSay[])(const Telemetry&) = {&test::say_latency, &test::say_health,
                                                              &test::say_trade};
    const Published answer = kSay[record_class](*telemetry);
    if (answer == Published::ok) {
      ++counts.ok[record_class];
    } else if (answer == Published::full) {
      ++counts.full[record_class];
    } else {
      ++counts.other;
    }
    return answer;
  }
  template <typename Condition>
  bool wait_until(Condition&& condition) const {
    const std::int64_t end = monotonic_ns() + kTimeoutNs;
    while (!condition()) {
      if (monotonic_ns() > end) return false;
      ::usleep(2'000);
    }
    return true;
  }
  // What MySQL has counted, in the order of the columns asked for; empty while it is not there.
  std::vector<std::uint64_t> committed() {
    auto connection = sql::Connection::connect(mysql.options());
    if (!connection) return {};
    auto rows = connection->query(
        "SELECT SUM(produced), SUM(stored_samples), SUM(stored_states), SUM(stored_facts), "
        "SUM(dropped_samples), SUM(dropped_states), SUM(dropped_facts), "
        "SUM(refused) + SUM(rejected) + SUM(lost) FROM dd_lane_positions");
    if (!rows || rows->empty() || rows->front().is_null(0)) return {};
    std::vector<std::uint64_t> sums;
    for (std::size_t i = 0; i < rows->front().size(); ++i)
      sums.push_back(std::stoull(std::string(rows->front().text(i))));
    return sums;
  }

  test::TempDirectory directory;
  test::PrivateRedis redis;
  test::PrivateMysql mysql;
  std::optional<SidecarProcess> sidecar;
  std::optional<Telemetry> telemetry;
  Counts counts{};
};

TEST_F(StoppedSidecar, UnderLoadDropsExactlyWhatDoesNotFitFactsLastAndTheLedgerAgreesAfterwards) {
  telemetry.emplace(TelemetryOptions{.profile_id = 7,
                                     .script_name = "order_monitor",
                                     .directory = directory.path(),
                                     .lane_lines = kLines});
  ASSERT_TRUE(telemetry->is_attached()) << telemetry->status_text();
  // Load until the sidecar gives lines back, which is when MySQL has them, and on from there.
  std::uint64_t said_by_then = 0;
  const auto gives_back = [&] {
    for (std::size_t record_class = 0; record_class < kRecordClasses; ++record_class)
      say(record_class);
    said_by_then = counts.ok[2] * test::as_said_undisturbed(test::kSayings[2]).lines;
    return said_by_then > 2 * kLines && telemetry->lines_free() > kLines / 2;
  };
  ASSERT_TRUE(wait_until(gives_back)) << sidecar->log();
  ASSERT_TRUE(sidecar->stop());

  // From here on the Lane is ours alone: what fits is arithmetic.
  const std::array<std::uint32_t, kRecordClasses> lines{
      test::as_said_undisturbed(test::kSayings[9]).lines,   // latency
      test::as_said_undisturbed(test::kSayings[8]).lines,   // health
      test::as_said_undisturbed(test::kSayings[2]).lines};  // trade
  const std::array<std::uint32_t, kRecordClasses> limit{kLines / 2, kLines / 4 * 3, kLines};
  std::uint32_t held = kLines - telemetry->lines_free();
  std::array<int, kRecordClasses> first_refused{-1, -1, -1};
  for (int round = 0; round < 600; ++round) {
    for (std::size_t record_class = 0; record_class < kRecordClasses; ++record_class) {
      const bool fits = held + lines[record_class] <= limit[record_class];
      ASSERT_EQ(say(record_class), fits ? Published::ok : Published::full)
          << "class " << record_class << ", " << held << " lines held";
      if (fits) held += lines[record_class];
      if (!fits && first_refused[record_class] < 0) first_refused[record_class] = round;
    }
  }
  EXPECT_GT(held + lines[2], kLines);
  ASSERT_GE(first_refused[0], 0);
  EXPECT_LE(first_refused[0], first_refused[1]) << "samples go first";
  EXPECT_LT(first_refused[1], first_refused[2]) << "facts go last";
  EXPECT_EQ(counts.other, 0U);

  sidecar->go_on();
  ASSERT_TRUE(wait_until([&] { return telemetry->lines_free() == kLines; })) << sidecar->log();
  const std::uint64_t asked =
      counts.ok[0] + counts.ok[1] + counts.ok[2] + counts.full[0] + counts.full[1] + counts.full[2];
  const std::vector<std::uint64_t> expected{
      asked,          counts.ok[0],   counts.ok[1],   counts.ok[2],
      counts.full[0], counts.full[1], counts.full[2], 0};
  wait_until([&] { return committed() == expected; });
  EXPECT_EQ(committed(), expected) << sidecar->log();
  EXPECT_EQ(say(2), Published::ok);  // and the bot has room again
}

}  // namespace
}  // namespace ddt
