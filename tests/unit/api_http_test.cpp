// HTTP as bytes and values: framing, URLs, problems, routing, CORS, JSON. No socket, no server.
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "api/http/http1.hpp"
#include "api/http/json.hpp"
#include "api/http/problem.hpp"
#include "api/http/url.hpp"
#include "api/middleware/cors.hpp"
#include "api/router.hpp"
#include "sidecar/model/json.hpp"

namespace ddt::api {
namespace {

Request parsed(const std::string& wire) {
  auto result = parse_request(wire);
  EXPECT_TRUE(std::holds_alternative<Parsed>(result)) << wire;
  return std::holds_alternative<Parsed>(result) ? std::get<Parsed>(result).request : Request{};
}

int refused(const std::string& wire) {
  const auto result = parse_request(wire);
  const auto* bad = std::get_if<BadRequest>(&result);
  return bad == nullptr ? 0 : bad->status;
}

// ── framing ──────────────────────────────────────────────────────────────────────────────────────

TEST(Http1, ReadsAWholeRequestAndDecodesIt) {
  const Request request = parsed(
      "GET /api/v1/trades/7?symbol=BTC%2FUSD&limit=5&a=b+c HTTP/1.1\r\nHost: x\r\n"
      "Accept:  text/csv \r\n\r\n");
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.segments, (std::vector<std::string>{"api", "v1", "trades", "7"}));
  EXPECT_EQ(request.query, (Pairs{{"symbol", "BTC/USD"}, {"limit", "5"}, {"a", "b c"}}));
  EXPECT_EQ(request.header("accept"), "text/csv");
  EXPECT_TRUE(request.keep_alive);
}

TEST(Http1, WaitsForTheRestAtEveryByte) {
  const std::string wire = "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  for (std::size_t length = 0; length < wire.size(); ++length) {
    EXPECT_TRUE(std::holds_alternative<NeedMore>(parse_request(wire.substr(0, length)))) << length;
  }
  EXPECT_TRUE(std::holds_alternative<Parsed>(parse_request(wire)));
}

TEST(Http1, LeavesAPipelinedRequestForTheNextCall) {
  const std::string first = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
  const auto result = parse_request(first + "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(std::holds_alternative<Parsed>(result));
  EXPECT_EQ(std::get<Parsed>(result).consumed, first.size());
}

TEST(Http1, ClosesWhenAskedToAndForHttp10) {
  EXPECT_FALSE(parsed("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").keep_alive);
  EXPECT_FALSE(parsed("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(parsed("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

TEST(Http1, RefusesWhatIsNoRequest) {
  EXPECT_EQ(refused("nonsense\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET  HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(refused("G@T / HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505);
  EXPECT_EQ(refused("GET / HTTP/1.1\r\n\r\n"), 400) << "no Host";
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost : x\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET x HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
}

TEST(Http1, BoundsTargetHeadersAndBody) {
  EXPECT_EQ(refused("GET /" + std::string(kTargetBytesMax, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n"),
            414);
  EXPECT_EQ(refused("GET /" + std::string(kTargetBytesMax + 100, 'a')), 414) << "before it ends";
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(kHeadBytesMax, 'a')), 431);
  EXPECT_EQ(refused("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n"), 413);
  EXPECT_EQ(refused("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
            413);
  EXPECT_EQ(refused("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(refused("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "ffffffffffff\r\n"),
            411);
  EXPECT_EQ(refused("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            400);
}

TEST(Http1, SendsTheHeadAloneForHeadAndNoBodyFor304) {
  Response response{.body = "{\"a\":1}", .headers = {}};
  const std::string full = serialize(response, false, true, "D");
  const std::string head = serialize(response, true, true, "D");
  EXPECT_EQ(full, head + response.body);
  EXPECT_NE(head.find("Content-Length: 7\r\n"), std::string::npos);
  response.status = 304;
  EXPECT_EQ(serialize(response, false, true, "D").find("Content-Length"), std::string::npos);
}

TEST(Http1, WritesDatesAsHttpWantsThem) {
  EXPECT_EQ(imf_fixdate(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
}

// ── URLs ─────────────────────────────────────────────────────────────────────────────────────────

TEST(Url, DecodesOnceAndOnce) {
  EXPECT_EQ(percent_decode("a%252Fb", false), "a%2Fb");
  EXPECT_EQ(percent_decode("a+b", false), "a+b");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  EXPECT_FALSE(percent_decode("%2", false));
  EXPECT_EQ(percent_encode("BTC/USD é"), "BTC%2FUSD%20%C3%A9");
}

TEST(Url, KeepsEverySegmentAndParameter) {
  EXPECT_EQ(path_segments("/a/b%2Fc/"), (std::vector<std::string>{"a", "b/c", ""}));
  EXPECT_EQ(query_parameters("a=1&b&&a=2"), (Pairs{{"a", "1"}, {"b", ""}, {"a", "2"}}));
}

// ── JSON and problems ────────────────────────────────────────────────────────────────────────────

TEST(Json, KeepsOrderAndDigits) {
  Json json = Json::object();
  json.set("b", Json::decimal(12345678900, 8)).set("a", Json()).set("b", "\"\n\xff");
  json.set("c", Json::array()).set("d", std::uint64_t{18446744073709551615U});
  EXPECT_EQ(json.dump(),
            "{\"b\":\"\\\"\\n\xEF\xBF\xBD\",\"a\":null,\"c\":[],\"d\":18446744073709551615}");
  EXPECT_TRUE(model::JsonValue::parse(json.dump()));
}

TEST(Problem, NamesEveryBadParameter) {
  const Response response = bad_parameters({{"days", "must be…"}, {"limit", "must be…"}});
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.content_type, "application/problem+json");
  const auto json = model::JsonValue::parse(response.body);
  ASSERT_TRUE(json);
  EXPECT_EQ(json->int_or("status", 0), 400);
  EXPECT_EQ(json->find("invalid_params")->items().size(), 2U);
}

TEST(Problem, SaysWhenToComeBack) {
  const Response response = store_down("mysql");
  EXPECT_EQ(response.status, 503);
  EXPECT_TRUE(response.header("Retry-After"));
}

// ── routing ──────────────────────────────────────────────────────────────────────────────────────

struct Routing : testing::Test {
  Routing() {
    const auto name = [](const char* text) {
      return [text](const Request&, const PathValues& values) {
        const auto id = values.find("profile_id");
        return Response{.body = text + (id == values.end() ? "" : id->second), .headers = {}};
      };
    };
    router.add("/", name("root"));
    router.add("/api/v1/health/{profile_id}", name("profile "));
    router.add("/api/v1/health/system", name("system"));
  }
  Response ask(const std::string& method, const std::string& path) const {
    Request request{.method = method,
                    .path = path,
                    .query_string = "",
                    .segments = *path_segments(path),
                    .query = {},
                    .headers = {}};
    return router.handle(request);
  }
  Router router;
};

TEST_F(Routing, PrefersALiteralToAName) {
  EXPECT_EQ(ask("GET", "/api/v1/health/system").body, "system");
  EXPECT_EQ(ask("GET", "/api/v1/health/7").body, "profile 7");
  EXPECT_EQ(ask("GET", "/api/v1/health/7/").body, "profile 7");
  EXPECT_EQ(ask("GET", "/").body, "root");
}

TEST_F(Routing, AnswersUnknownPathsAndMethods) {
  EXPECT_EQ(ask("GET", "/nowhere").status, 404);
  EXPECT_EQ(ask("POST", "/nowhere").status, 404);
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW"}) {
    const Response response = ask(method, "/");
    EXPECT_EQ(response.status, 405) << method;
    EXPECT_EQ(response.header("Allow"), "GET, HEAD, OPTIONS");
  }
  EXPECT_EQ(ask("OPTIONS", "/").status, 204);
  EXPECT_EQ(ask("HEAD", "/").status, 200);
}

// ── CORS ─────────────────────────────────────────────────────────────────────────────────────────

TEST(Cors, MatchesExactlyOrByOneLabel) {
  EXPECT_TRUE(origin_matches("http://localhost:3000", "http://localhost:3000"));
  EXPECT_FALSE(origin_matches("http://localhost:3000", "http://localhost:30001"));
  EXPECT_FALSE(origin_matches("http://localhost:3000", "https://localhost:3000"));
  EXPECT_TRUE(origin_matches("https://*.vercel.app", "https://my-app-1.vercel.app"));
  EXPECT_FALSE(origin_matches("https://*.vercel.app", "https://vercel.app"));
  EXPECT_FALSE(origin_matches("https://*.vercel.app", "https://.vercel.app"));
  EXPECT_FALSE(origin_matches("https://*.vercel.app", "https://evil.com/.vercel.app"));
  EXPECT_FALSE(origin_matches("https://*.vercel.app", "https://a.vercel.app.evil.com"));
  EXPECT_FALSE(origin_matches("https://*.vercel.app", "https://evilvercel.app"));
  EXPECT_FALSE(origin_matches("https://*.vercel.app", "http://a.vercel.app"));
  EXPECT_FALSE(origin_matches("https://*.vercel.app", "null"));
}

Response with_cors(const std::vector<std::string>& patterns, Request request) {
  Response response;
  apply_cors(patterns, request, response);
  return response;
}

TEST(Cors, EchoesAnAllowedOriginAndNothingForOthers) {
  Request request{.method = "GET",
                  .path = "/",
                  .query_string = "",
                  .segments = {},
                  .query = {},
                  .headers = {{"origin", "https://a.vercel.app"}}};
  Response response = with_cors({"https://*.vercel.app"}, request);
  EXPECT_EQ(response.header("Access-Control-Allow-Origin"), "https://a.vercel.app");
  EXPECT_NE(response.header("Access-Control-Expose-Headers")->find("X-As-Of"), std::string::npos);
  response = with_cors({"https://other.example"}, request);
  EXPECT_FALSE(response.header("Access-Control-Allow-Origin"));
  EXPECT_TRUE(response.header("Vary")) << "caches must know either way";
}

TEST(Cors, NeverAllowsAnyoneWithCredentials) {
  const Request request{.method = "GET",
                        .path = "/",
                        .query_string = "",
                        .segments = {},
                        .query = {},
                        .headers = {{"origin", "https://a.example"}}};
  const Response response = with_cors({"https://a.example", "*"}, request);
  EXPECT_EQ(response.header("Access-Control-Allow-Origin"), "*");
  EXPECT_FALSE(response.header("Access-Control-Allow-Credentials"));
}

TEST(Cors, AnswersAPreflight) {
  const Request request{
      .method = "OPTIONS",
      .path = "/",
      .query_string = "",
      .segments = {},
      .query = {},
      .headers = {{"origin", "https://a.example"}, {"access-control-request-method", "GET"}}};
  const Response response = with_cors({"https://a.example"}, request);
  EXPECT_TRUE(response.header("Access-Control-Allow-Methods"));
  EXPECT_NE(response.header("Access-Control-Allow-Headers")->find("Authorization"),
            std::string::npos);
}

TEST(Cors, FindsWrongPatterns) {
  EXPECT_EQ(problem_in_origin_pattern("https://*.vercel.app"), "");
  EXPECT_EQ(problem_in_origin_pattern("http://localhost:3000"), "");
  EXPECT_NE(problem_in_origin_pattern("localhost"), "");
  EXPECT_NE(problem_in_origin_pattern("https://a.b/"), "");
  EXPECT_NE(problem_in_origin_pattern("https://a.*.b"), "");
  EXPECT_NE(problem_in_origin_pattern("https://*.*.b"), "");
}

}  // namespace
}  // namespace ddt::api
