// Settings: four sources, one table, every problem at once.
#include "sidecar/model/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "api/settings.hpp"
#include "sidecar/redis/options.hpp"
#include "sidecar/settings.hpp"

namespace ddt::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::array kKeys{
    SettingKey{.name = "redis.host", .default_text = "127.0.0.1", .help = "server"},
    SettingKey{.name = "redis.port",
               .type = SettingType::integer,
               .default_text = "6379",
               .help = "port",
               .min = 1,
               .max = 65'535},
    SettingKey{.name = "redis.password", .help = "password", .is_secret = true},
    SettingKey{
        .name = "api.cors", .type = SettingType::list, .default_text = "a, b", .help = "origins"},
    SettingKey{.name = "api.is_open",
               .type = SettingType::boolean,
               .default_text = "false",
               .help = "open"},
    SettingKey{.name = "telemetry.dir",
               .default_text = "/dev/shm/ddt",
               .help = "dir",
               .more_environment = "DDT_DIR"},
};
constexpr std::array<std::string_view, 1> kForeign{"sidecar"};

ParsedSettings parse(const SettingsSources& sources) {
  return parse_settings(kKeys, kForeign, sources);
}
ParsedSettings parse_file(const std::string& text) {
  return parse({.file_name = "ddt.toml", .file_text = text});
}

TEST(Settings, AreTheDefaultsWithoutSources) {
  const ParsedSettings parsed = parse({});
  EXPECT_THAT(parsed.problems, IsEmpty());
  EXPECT_EQ(parsed.settings.text("redis.host"), "127.0.0.1");
  EXPECT_EQ(parsed.settings.integer("redis.port"), 6379);
  EXPECT_FALSE(parsed.settings.boolean("api.is_open"));
  EXPECT_THAT(parsed.settings.list("api.cors"), ElementsAre("a", "b"));
  EXPECT_TRUE(parsed.settings.is_default("redis.port"));
}

TEST(Settings, ComeFromTheFile) {
  const ParsedSettings parsed = parse_file(
      "redis.host = \"h\"\n[redis]\nport = 1\npassword = \"p\"\n[api]\ncors = [\"x,y\", "
      "\"z\"]\nis_open = true\n");
  EXPECT_THAT(parsed.problems, ElementsAre(HasSubstr("ddt.toml:2")))
      << "TOML forbids extending a dotted table";
  const ParsedSettings good = parse_file(
      "[redis]\nhost = \"h\"\nport = 1\npassword = \"p\"\n[api]\ncors = [\"x,y\", \"z\"]\nis_open "
      "= true\n");
  EXPECT_THAT(good.problems, IsEmpty());
  EXPECT_EQ(good.settings.text("redis.host"), "h");
  EXPECT_EQ(good.settings.integer("redis.port"), 1);
  EXPECT_TRUE(good.settings.boolean("api.is_open"));
  EXPECT_THAT(good.settings.list("api.cors"), ElementsAre("x,y", "z"));
  EXPECT_FALSE(good.settings.is_default("redis.port"));
}

TEST(Settings, AFlagBeatsTheEnvironmentWhichBeatsTheFile) {
  const std::string file = "[redis]\nhost = \"file\"\nport = 1\n[telemetry]\ndir = \"/file\"\n";
  const ParsedSettings parsed = parse(
      {.file_name = "f",
       .file_text = file,
       .environment = {{"DDT_REDIS_HOST", "env"}, {"DDT_REDIS_PORT", "2"}, {"DDT_API_CORS", ""}},
       .flags = {"redis.port=3", "api.is_open=true"}});
  EXPECT_THAT(parsed.problems, IsEmpty());
  EXPECT_EQ(parsed.settings.text("telemetry.dir"), "/file");
  EXPECT_EQ(parsed.settings.text("redis.host"), "env");
  EXPECT_EQ(parsed.settings.integer("redis.port"), 3);
  EXPECT_TRUE(parsed.settings.boolean("api.is_open"));
  EXPECT_THAT(parsed.settings.list("api.cors"), IsEmpty());
}

TEST(Settings, TakeTheDirectoryUnderBothNames) {
  EXPECT_EQ(parse({.environment = {{"DDT_DIR", "/a"}}}).settings.text("telemetry.dir"), "/a");
  EXPECT_EQ(parse({.environment = {{"DDT_TELEMETRY_DIR", "/b"}, {"DDT_DIR", "/a"}}})
                .settings.text("telemetry.dir"),
            "/b");
}

TEST(Settings, TellEveryProblemAtOnce) {
  const ParsedSettings parsed =
      parse({.file_name = "ddt.toml",
             .file_text = "nonsense = 1\n[redis]\nport = 0\nhost = 5\nprot = 1\n[api]\ncors = "
                          "[1]\nis_open = \"yes\"\n[mysqll]\nx = 1\n",
             .environment = {{"DDT_REDIS_PORT", "65536"},
                             {"DDT_REDIS_PROT", "1"},
                             {"DDT_BIN_DIR", "/x"},
                             {"DDT_API_IS_OPEN", "1"}},
             .flags = {"redis.port=1x", "redis.hots=h", "redis.host", "redis.password=secret",
                       "sidecar.anything=1"}});
  EXPECT_THAT(
      parsed.problems,
      ::testing::UnorderedElementsAre(
          "ddt.toml:1: nonsense: unknown key",
          "ddt.toml:3: redis.port: must be a whole number from 1 to 65535",
          "ddt.toml:4: redis.host: must be a text in quotes", "ddt.toml:5: redis.prot: unknown key",
          "ddt.toml:7: api.cors: must be a list of texts",
          "ddt.toml:8: api.is_open: must be true or false", "ddt.toml:10: mysqll.x: unknown key",
          "DDT_REDIS_PORT: redis.port: must be a whole number from 1 to 65535",
          "DDT_REDIS_PROT: unknown setting", "DDT_API_IS_OPEN: api.is_open: must be true or false",
          "flag: redis.port: must be a whole number from 1 to 65535",
          "flag: redis.hots: unknown key", "flag: redis.host: must be key=value",
          "flag: redis.password: a secret is taken from the file or DDT_REDIS_PASSWORD only"));
}

TEST(Settings, FindTheirKeysInTheOtherProcessesSection) {
  const ParsedSettings parsed =
      parse_settings(shared_setting_keys(), kForeign,
                     {.file_name = "f", .file_text = "[sidecar]\nid = \"host-1\"\nother = 1\n"});
  EXPECT_THAT(parsed.problems, IsEmpty());
  EXPECT_EQ(parsed.settings.text("sidecar.id"), "host-1");
}

TEST(Settings, LeaveTheOtherProcessItsSections) {
  const ParsedSettings parsed =
      parse_file("[sidecar]\nwhatever = [1, {a = 2}]\n[sidecar.deeper]\nx = 1\n");
  EXPECT_THAT(parsed.problems, IsEmpty());
}

TEST(Settings, TellABrokenFileWithItsLineAndStillReadTheRest) {
  const ParsedSettings parsed =
      parse({.file_name = "ddt.toml", .file_text = "[redis]\nport = \n", .flags = {"a.b=1"}});
  ASSERT_EQ(parsed.problems.size(), 2U);
  EXPECT_THAT(parsed.problems[0], HasSubstr("ddt.toml:2: "));
}

TEST(Settings, PrintSecretsAsStars) {
  const ParsedSettings parsed = parse({.file_name = "f",
                                       .file_text = "[redis]\nhost = \"quote\\\" \\\\ \\u0007\"\n",
                                       .environment = {{"DDT_REDIS_PASSWORD", "hunter2"}}});
  const std::string text = parsed.settings.effective_text();
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
  EXPECT_THAT(text, HasSubstr("password = \"***\"  # environment"));
  EXPECT_THAT(text, HasSubstr("port = 6379  # default"));
  EXPECT_THAT(text, HasSubstr("host = \"quote\\\" \\\\ \\u0007\"  # f:2"));
  const ParsedSettings again = parse_file(text);
  EXPECT_THAT(again.problems, IsEmpty());
  EXPECT_EQ(again.settings.text("redis.host"), parsed.settings.text("redis.host"));
  EXPECT_THAT(parse({}).settings.effective_text(), HasSubstr("password = \"\"  # default"));
}

TEST(Settings, AreLoadedFromAFileNamedByFlagOrEnvironment) {
  const std::filesystem::path path = std::filesystem::temp_directory_path() /
                                     ("ddt-settings-" + std::to_string(::getpid()) + ".toml");
  std::ofstream(path) << "[redis]\nport = 77\n";
  std::string variable = "DDT_CONFIG=" + path.string();
  std::string other = "HOME=/";
  std::array<char*, 3> environment{variable.data(), other.data(), nullptr};
  EXPECT_EQ(
      load_settings_or_throw(kKeys, kForeign, "", {}, environment.data()).integer("redis.port"),
      77);
  std::filesystem::remove(path);
  try {
    load_settings_or_throw(kKeys, kForeign, path.string(), {"a=b"}, nullptr);
    FAIL() << "a missing file and an unknown flag";
  } catch (const StartupError& error) {
    EXPECT_THAT(error.problems(),
                ElementsAre(HasSubstr("No such file"), HasSubstr("a: unknown key")));
  }
}

TEST(SharedSettings, GiveTheConnectOptions) {
  const ParsedSettings parsed = parse_settings(
      shared_setting_keys(), {},
      {.environment = {{"DDT_REDIS_PASSWORD", "p"}, {"DDT_REDIS_DATABASE", "3"}},
       .flags = {"redis.unix_socket=/r.sock", "redis.live_prefix=te*st", "sidecar.id=a}b"}});
  EXPECT_THAT(parsed.problems, IsEmpty());
  const redis::ConnectOptions options = redis::connect_options(parsed.settings);
  EXPECT_EQ(options.unix_socket, "/r.sock");
  EXPECT_EQ(options.password, "p");
  EXPECT_EQ(options.database, 3);
  EXPECT_THAT(redis::problems_in(options), IsEmpty());
  EXPECT_EQ(redis::problems_in_names(parsed.settings).size(), 2U);
  EXPECT_EQ(parsed.settings.text("mysql.database"), "deltadyno");
}

// The example shows the defaults of both processes, and nothing that nobody knows.
TEST(ExampleFile, SaysTheDefaults) {
  const Result<std::string> text = read_settings_file(DDT_SOURCE_DIR "/docs/ddt.example.toml");
  ASSERT_TRUE(text) << text.error().message;
  std::vector<SettingKey> keys = sidecar::setting_keys();
  for (const SettingKey& key : api::setting_keys()) {
    if (std::ranges::find(keys, key.name, &SettingKey::name) == keys.end()) keys.push_back(key);
  }
  const ParsedSettings example = parse_settings(keys, {}, {.file_name = "f", .file_text = *text});
  EXPECT_THAT(example.problems, IsEmpty());
  const ParsedSettings defaults = parse_settings(keys, {}, {});
  for (const SettingKey& key : keys) {
    EXPECT_FALSE(example.settings.is_default(key.name)) << key.name << " is missing in the example";
    switch (key.type) {
      case SettingType::text:
        EXPECT_EQ(example.settings.text(key.name), defaults.settings.text(key.name)) << key.name;
        break;
      case SettingType::integer:
        EXPECT_EQ(example.settings.integer(key.name), defaults.settings.integer(key.name))
            << key.name;
        break;
      case SettingType::boolean:
        EXPECT_EQ(example.settings.boolean(key.name), defaults.settings.boolean(key.name))
            << key.name;
        break;
      case SettingType::list:
        EXPECT_EQ(example.settings.list(key.name), defaults.settings.list(key.name)) << key.name;
        break;
    }
  }
}

TEST(ConnectOptions, HaveAllTheirProblemsTold) {
  redis::ConnectOptions options;
  options.host = "";
  options.port = 0;
  options.username = "u";
  options.database = -1;
  EXPECT_EQ(redis::problems_in(options).size(), 4U);
  options.unix_socket = std::string(108, 'x');
  EXPECT_EQ(redis::problems_in(options).size(), 3U);
  EXPECT_THAT(redis::problems_in({}), IsEmpty());
}

}  // namespace
}  // namespace ddt::model
