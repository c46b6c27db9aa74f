// Query parameters, cursors and statuses: values in, values out.
#include <gtest/gtest.h>

#include "api/history/rows.hpp"
#include "api/live.hpp"
#include "api/pages.hpp"
#include "api/parameters.hpp"
#include "sidecar/model/json.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr std::int64_t kNow = 1'764'000'000 * model::kNsPerSecond;

Request asking(Pairs query) {
  return {.method = "GET",
          .path = "/x",
          .query_string = "",
          .segments = {},
          .query = std::move(query),
          .headers = {}};
}

std::vector<std::string> bad_names(const Parameters& parameters) {
  const auto response = parameters.problems();
  std::vector<std::string> names;
  if (!response) return names;
  const auto json = model::JsonValue::parse(response->body);
  for (const auto& one : json->find("invalid_params")->items())
    names.push_back(one.string_or("name"));
  return names;
}

TEST(Parameters, WithoutARangeGivesTheLastDays) {
  const Request request = asking({});
  Parameters parameters(request);
  const Range range = parameters.range(7, kNow);
  EXPECT_EQ(range.to_ns, kNow);
  EXPECT_EQ(range.from_ns, kNow - 7 * model::kNsPerDay);
  EXPECT_FALSE(range.is_explicit);
  EXPECT_FALSE(parameters.problems());
}

TEST(Parameters, ReadsTimesInBothForms) {
  const Request request = asking({{"from", "2026-01-02T00:00:00 01:00"}, {"to", "1767400000.5"}});
  Parameters parameters(request);
  const Range range = parameters.range(7, kNow);
  EXPECT_EQ(model::rfc3339(range.from_ns), "2026-01-01T23:00:00.000000Z") << "'+' came as a blank";
  EXPECT_EQ(range.to_ns, 1'767'400'000'500'000'000);
  EXPECT_TRUE(range.is_fixed);
}

TEST(Parameters, CombinesDaysWithOneEnd) {
  const Request request = asking({{"to", "2026-01-08T00:00:00Z"}, {"days", "2"}});
  Parameters parameters(request);
  const Range range = parameters.range(7, kNow);
  EXPECT_EQ(model::rfc3339(range.from_ns), "2026-01-06T00:00:00.000000Z");
}

TEST(Parameters, NamesEverythingThatIsWrongAtOnce) {
  const Request request = asking({{"from", "yesterday"},
                                  {"days", "0"},
                                  {"limit", "1e3"},
                                  {"symbol", "A B"},
                                  {"window", "year"}});
  Parameters parameters(request);
  PathValues values{{"profile_id", "0"}};
  parameters.profile_id(values);
  parameters.range(7, kNow);
  parameters.integer("limit", 1, 1000, 100);
  parameters.symbol();
  parameters.window();
  EXPECT_EQ(bad_names(parameters),
            (std::vector<std::string>{"profile_id", "from", "days", "limit", "symbol", "window"}));
}

TEST(Parameters, RefusesProfilesOutsideTheirRange) {
  for (const char* id : {"", "0", "-1", "2147483648", "99999999999999999999", "7x", " 7", "+7"}) {
    const Request request = asking({});
    Parameters parameters(request);
    parameters.profile_id({{"profile_id", id}});
    EXPECT_TRUE(parameters.problems()) << id;
  }
  const Request request = asking({});
  Parameters parameters(request);
  EXPECT_EQ(parameters.profile_id({{"profile_id", "2147483647"}}), 2147483647);
  EXPECT_FALSE(parameters.problems());
}

TEST(Parameters, RefusesARangeThatRunsBackwardsOrBeyondTime) {
  for (const auto& query : {Pairs{{"from", "2026-01-02T00:00:00Z"}, {"to", "2026-01-01T00:00:00Z"}},
                            Pairs{{"from", "1700-01-01T00:00:00Z"}}, Pairs{{"to", "9223372036"}},
                            Pairs{{"from", "1"}, {"to", "2"}, {"days", "1"}},
                            Pairs{{"days", "366"}}, Pairs{{"days", "1"}, {"days", "2"}}}) {
    const Request request = asking(query);
    Parameters parameters(request);
    parameters.range(7, kNow);
    EXPECT_TRUE(parameters.problems()) << query.front().second;
  }
}

TEST(Parameters, NamesWhatItIgnores) {
  const Request request = asking({{"days", "7"}, {"colour", "red"}, {"colour", "blue"}, {"x", ""}});
  Parameters parameters(request);
  parameters.range(7, kNow);
  EXPECT_EQ(parameters.ignored(), (std::vector<std::string>{"colour", "x"}));
}

TEST(Parameters, SnapsOutward) {
  const Range range = snapped({61, 119}, 60);
  EXPECT_EQ(range.from_ns, 60);
  EXPECT_EQ(range.to_ns, 120);
  EXPECT_EQ(snapped({-1, 0}, 60).from_ns, -60);
  EXPECT_EQ(ceil_to_us(1'000), 1'000);
  EXPECT_EQ(ceil_to_us(1'001), 2'000);
}

TEST(Cursor, SurvivesItsText) {
  for (const Cursor& cursor : {Cursor{0, 0}, Cursor{-5, 7}, Cursor{1'764'000'000'000'000, ~0ULL}}) {
    const auto again = parse_cursor(to_text(cursor));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->time_us, cursor.time_us);
    EXPECT_EQ(again->id, cursor.id);
  }
  EXPECT_FALSE(parse_cursor("x"));
  EXPECT_FALSE(parse_cursor(std::string(32, 'G')));
  EXPECT_FALSE(parse_cursor("7fffffffffffffff0000000000000000")) << "no such time in ns";
}

TEST(NextLink, FixesTheRangeAndKeepsTheQuestion) {
  const Request request = asking({{"days", "7"}, {"symbol", "BTC/USD"}, {"cursor", "old"}});
  const std::string link = next_link(request, {0, 1'000'000}, {1, 2});
  EXPECT_EQ(link,
            "</x?from=1970-01-01T00%3A00%3A00.000000Z&to=1970-01-01T00%3A00%3A00.001000Z"
            "&symbol=BTC%2FUSD&cursor=00000000000000010000000000000002>; rel=\"next\"");
}

redis::LiveValue health(const std::string& json, std::int64_t time_ns) {
  return {.text = json, .object = *model::JsonValue::parse(json), .event_time_ns = time_ns};
}

TEST(ScriptStatus, IsOfflineThenStaleThenWhatItReports) {
  LiveScript script{.last_seen_ns = kNow - 10 * model::kNsPerSecond};
  EXPECT_EQ(status_of(script, kNow), "unknown");
  script.health = health(R"({"status":"degraded","expected_interval_s":5})", script.last_seen_ns);
  EXPECT_EQ(status_of(script, kNow), "stale");
  script.health =
      health(R"({"status":"degraded","expected_interval_s":null})", script.last_seen_ns);
  EXPECT_EQ(status_of(script, kNow), "degraded");
  EXPECT_EQ(status_of(script, kNow + 2'200 * model::kNsPerSecond), "stale");
  script.is_offline = true;
  EXPECT_EQ(status_of(script, kNow), "offline");
}

TEST(ScriptStatus, OfAProfileIsTheWorst) {
  EXPECT_EQ(worse_status("healthy", "degraded"), "degraded");
  EXPECT_EQ(worse_status("error", "offline"), "error");
  EXPECT_EQ(worse_status("stale", "unknown"), "stale");
  EXPECT_EQ(worse_status("healthy", "resting"), "resting");
}

TEST(Rows, ReadsCellsWithoutInventing) {
  sql::Row row;
  row.append("604.10000000");
  row.append_null();
  row.append("2026-11-22 10:00:00.123456");
  row.append("{\"a\":1}");
  row.append("no object");
  EXPECT_EQ(e8_of(row, 0), 60'410'000'000);
  EXPECT_EQ(e8_of(row, 1), kNullE8);
  EXPECT_EQ(number_json(row, 0).dump(), "604.10000000");
  EXPECT_EQ(e8_json_of(row, 0).dump(), "604.1");
  EXPECT_EQ(number_json(row, 1).dump(), "null");
  EXPECT_EQ(time_json(row, 2).dump(), "\"2026-11-22T10:00:00.123456Z\"");
  EXPECT_EQ(metadata_json(row, 3).dump(), "{\"a\":1}");
  EXPECT_EQ(metadata_json(row, 4).dump(), "{}");
  EXPECT_EQ(metadata_json(row, 1).dump(), "{}");
}

}  // namespace
}  // namespace ddt::api
