// api/routes/context.hpp — what every route is given, and how every answer is put together.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/json.hpp"
#include "api/http/message.hpp"
#include "api/parameters.hpp"
#include "api/recent.hpp"
#include "api/router.hpp"
#include "api/stores.hpp"
#include "sidecar/model/equity.hpp"
#include "sidecar/model/trades.hpp"

namespace ddt::api {

struct ApiOptions {
  StoreOptions stores;
  std::string sidecar_id = {};  // whose status /health/system shows; "" = every one Redis knows
  std::vector<std::string> cors_origins = {};
  std::string bind = "127.0.0.1";
  std::uint16_t ws_port = 8001;
  // How long a live reply is shared by all who ask the same; 0: every one is read anew.
  std::chrono::milliseconds share_live{0};
  std::string version = "0.1.0";
};

// Of the range that ends now, by profile: history is committed once a second, so it needs no more.
using RecentDrawdowns = Recent<std::int32_t, std::optional<model::Drawdown>>;
inline constexpr std::chrono::milliseconds kDrawdownKept{1'000};

struct Context {
  const ApiOptions& options;
  StoresOfThreads& stores;
  RecentDrawdowns& drawdowns;  // locks itself
  std::function<std::int64_t()> now_ns;
};

// A route from a function of (context, request, path values); the context outlives the router.
template <typename Function>
Route bound(Function function, const Context& context) {
  return [&context, function](const Request& request, const PathValues& values) {
    return function(context, request, values);
  };
}

// Where an answer comes from: `live` (Redis), `history` (MySQL) or `both`; as_of is the newest event time
// in it, kNoTime when it holds nothing.
struct Provenance {
  std::string_view source = "history";
  std::int64_t as_of_ns = model::kNoTime;
};

// An answer that is one object: figures in order, reasons for nulls, range, meta.
class ObjectAnswer {
 public:
  ObjectAnswer(std::int32_t profile_id) {  // NOLINT: an answer is about a profile
    body_ = Json::object();
    body_.set("profile_id", profile_id);
  }
  Json& body() { return body_; }
  Json& reasons() { return reasons_; }
  void set(std::string_view name, Json value) { body_.set(name, std::move(value)); }
  void null(std::string_view name, std::string_view reason) {
    body_.set(name, Json());
    reasons_.set(name, reason);
  }
  void reason(std::string_view name, std::string_view reason) { reasons_.set(name, reason); }
  void figure(const model::Figure& figure, std::string_view as_name = {});
  void figures(std::span<const model::Figure> figures);

  // Windows that do not fit a reply are the client's to ask for in shorter ranges: a 400.
  Response finish(const Parameters& parameters, const Request& request, const Range& range,
                  const Provenance& provenance, std::int64_t now_ns) &&;
  // Of the present: no range, no ETag.
  Response finish_without_range(const Parameters& parameters, const Provenance& provenance,
                                std::int64_t now_ns) &&;

 private:
  Json body_;
  Json reasons_ = Json::object();
};

// Figures into an object that carries its own reasons (a Window, a script).
void set_figures(Json& object, std::span<const model::Figure> figures);

Json range_json(const Range& range);
Json meta_json(const Provenance& provenance, std::int64_t now_ns);

// X-As-Of, X-Source, X-Ignored-Parameters, Cache-Control.
void set_common_headers(Response& response, const Parameters& parameters,
                        const Provenance& provenance);

// ETag of what the answer says (not of when it was asked); 304 when the client has it already.
void apply_etag(const Request& request, std::string_view said, Response& response);

// "" or e8 number; kNullE8 is null.
Json e8_json(std::int64_t value_e8);
Json e8_json(std::optional<int128> value_e8);
Json rfc3339_json(std::int64_t time_ns);  // kNoTime is null

}  // namespace ddt::api
