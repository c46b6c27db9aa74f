// ddt-api as a process: options, refusals, start without stores, SIGTERM.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/raw_http.hpp"

namespace ddt::api {
namespace {

using test::RawHttp;

// One run of ddt-api; its output is kept in a file.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments) {
    std::string name = (std::filesystem::temp_directory_path() / "ddt-api-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    pid_ = ::fork();
    if (pid_ == 0) {
      const int out = ::open((directory_ / "out").c_str(), O_CREAT | O_WRONLY, 0600);
      ::dup2(out, STDOUT_FILENO);
      ::dup2(out, STDERR_FILENO);
      std::string path = DDT_BIN_DIR "/ddt-api";
      std::vector<std::string> all{path, "--port-file", (directory_ / "ports").string()};
      all.insert(all.end(), arguments.begin(), arguments.end());
      std::vector<char*> pointers;
      for (std::string& one : all) pointers.push_back(one.data());
      pointers.push_back(nullptr);
      ::execv(path.c_str(), pointers.data());
      ::_exit(127);
    }
  }
  ~Process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    std::filesystem::remove_all(directory_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void signal(int number) const { ::kill(pid_, number); }
  std::string output() const {
    std::ifstream file(directory_ / "out");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // 0 when it did not start within 10 s.
  std::uint16_t port() const {
    for (int i = 0; i < 1'000; ++i) {
      std::ifstream file(directory_ / "ports");
      unsigned port = 0;
      if (file >> port) return static_cast<std::uint16_t>(port);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return 0;
  }

 private:
  std::filesystem::path directory_;
  pid_t pid_ = -1;
};

// Ports that nobody listens on.
const std::vector<std::string> kNoStores{"--set", "redis.port=1", "--set", "mysql.port=1",
                                         "--set", "api.port=0",   "--set", "api.ws_port=0"};

TEST(ApiProcess, ServesWithoutStoresAndEndsOnSigterm) {
  Process process(kNoStores);
  const std::uint16_t port = process.port();
  ASSERT_NE(port, 0) << process.output();
  RawHttp client(port);
  EXPECT_EQ(client.get("/health").status, 200);
  const auto ready = client.get("/ready");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.headers.count("retry-after"), 1U);
  EXPECT_EQ(client.get("/api/v1/metrics/breakout/1").status, 503);
  EXPECT_EQ(client.get("/api/v1/metrics/equity/1").status, 503);
  const auto config = client.get("/api/v1/config");
  EXPECT_EQ(config.body.find("\"ws_port\":0"), std::string::npos) << "the chosen one";
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0) << process.output();
  EXPECT_NE(process.output().find("http://127.0.0.1:" + std::to_string(port)), std::string::npos);
}

TEST(ApiProcess, RefusesToListenForEveryoneUnlessTold) {
  auto arguments = kNoStores;
  arguments.insert(arguments.end(), {"--set", "api.bind=0.0.0.0", "--set",
                                     "api.cors_origins=nonsense", "--set", "api.colour=red"});
  Process refused(arguments);
  EXPECT_EQ(refused.wait(), 2);
  EXPECT_NE(refused.output().find("api.bind"), std::string::npos) << refused.output();
  EXPECT_NE(refused.output().find("nonsense"), std::string::npos) << "all problems at once";
  EXPECT_NE(refused.output().find("api.colour"), std::string::npos) << refused.output();
  arguments = kNoStores;
  arguments.insert(arguments.end(),
                   {"--set", "api.bind=0.0.0.0", "--set", "api.allow_unauthenticated=true"});
  Process told(arguments);
  ASSERT_NE(told.port(), 0) << told.output();
  told.signal(SIGTERM);
  EXPECT_EQ(told.wait(), 0);
}

TEST(ApiProcess, RefusesWhatItDoesNotKnow) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--nonsense"},
                                             {"--set", "api.colour=red"},
                                             {"--set", "api.port=70000"},
                                             {"--config", "/nonexistent"}}) {
    Process process(arguments);
    EXPECT_EQ(process.wait(), 2) << arguments.front();
    EXPECT_FALSE(process.output().empty());
  }
}

TEST(ApiProcess, RefusesAPortInUse) {
  Process first(kNoStores);
  const std::uint16_t port = first.port();
  ASSERT_NE(port, 0);
  auto arguments = kNoStores;
  arguments.insert(arguments.end(), {"--set", "api.port=" + std::to_string(port)});
  Process second(arguments);
  EXPECT_EQ(second.wait(), 2);
  EXPECT_NE(second.output().find(std::to_string(port)), std::string::npos) << second.output();
}

TEST(ApiProcess, PrintsItsConfigurationWithoutSecrets) {
  ::setenv("DDT_MYSQL_PASSWORD", "hunter2", 1);
  Process process({"--check-config"});
  EXPECT_EQ(process.wait(), 0);
  ::unsetenv("DDT_MYSQL_PASSWORD");
  EXPECT_NE(process.output().find("cors_origins"), std::string::npos);
  EXPECT_EQ(process.output().find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace ddt::api
