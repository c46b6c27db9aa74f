// The command line of ddt-top: all problems at once, and the sidecar's own settings.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "sidecar/settings.hpp"
#include "sidecar/top/options.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt::top {
namespace {

struct Parsed {
  Options options;
  std::vector<std::string> problems;
};

Parsed parse(const std::vector<std::string>& arguments, std::vector<std::string> environment = {}) {
  std::vector<char*> pointers;
  for (std::string& pair : environment) pointers.push_back(pair.data());
  pointers.push_back(nullptr);
  Parsed parsed;
  parsed.options = parse_options(arguments, pointers.data(), parsed.problems);
  return parsed;
}

TEST(TopOptions, AreLiveOverTheDefaultDirectory) {
  const Parsed parsed = parse({});
  EXPECT_TRUE(parsed.problems.empty());
  EXPECT_EQ(parsed.options.mode, Mode::live);
  EXPECT_EQ(parsed.options.directory, "/dev/shm/ddt");
  EXPECT_EQ(parsed.options.sidecar_id, sidecar::default_sidecar_id("/dev/shm/ddt"));
  EXPECT_TRUE(parsed.options.asks_sidecar);
}

TEST(TopOptions, ChooseWhatToShow) {
  EXPECT_EQ(parse({"--once"}).options.mode, Mode::once);
  EXPECT_EQ(parse({"--json"}).options.mode, Mode::once);
  const Parsed dump = parse({"dump", "seg-1", "--json"});
  EXPECT_EQ(dump.options.mode, Mode::dump);
  EXPECT_EQ(dump.options.segment, "seg-1");
  EXPECT_TRUE(dump.options.is_json);
  EXPECT_EQ(parse({"--json", "dump", "--directory=/d", "seg-2"}).options.segment, "seg-2");
  EXPECT_TRUE(parse({"--help", "--bogus"}).options.wants_help);
}

TEST(TopOptions, TakeTheDirectoryAsTheSidecarDoes) {
  EXPECT_EQ(parse({}, {"DDT_DIR=/a"}).options.directory, "/a");
  EXPECT_EQ(parse({"--directory", "/b"}, {"DDT_DIR=/a"}).options.directory, "/b");
  EXPECT_EQ(parse({"--set", "telemetry.dir=/c"}).options.directory, "/c");
}

TEST(TopOptions, TakeTheSidecarsFile) {
  const test::TempDirectory directory("/tmp");
  const std::string path = directory / "ddt.toml";
  std::ofstream(path) << "[sidecar]\nid = \"here\"\nflush_interval_ms = 5\n[redis]\nport = 6400\n"
                         "[api]\nport = 1\n[telemetry]\ndir = \"/d\"\n";
  const Parsed parsed = parse({"--config", path});
  EXPECT_TRUE(parsed.problems.empty()) << parsed.problems.front();
  EXPECT_EQ(parsed.options.sidecar_id, "here");
  EXPECT_EQ(parsed.options.redis.port, 6400);
  EXPECT_EQ(parsed.options.directory, "/d");
  EXPECT_EQ(parse({}, {"DDT_CONFIG=" + path}).options.sidecar_id, "here");
}

TEST(TopOptions, NameEveryProblemAtOnce) {
  const Parsed parsed = parse({"--bogus", "--interval", "0", "--once=1", "stray", "--set",
                               "redis.port=x", "--config", "/nowhere/ddt.toml", "--directory"});
  EXPECT_EQ(parsed.problems.size(), 7U) << testing::PrintToString(parsed.problems);
}

TEST(TopOptions, RefuseADumpOfNothing) {
  EXPECT_EQ(parse({"dump"}).problems.size(), 1U);
  EXPECT_EQ(parse({"dump", "a", "b"}).problems.size(), 1U);
}

}  // namespace
}  // namespace ddt::top
