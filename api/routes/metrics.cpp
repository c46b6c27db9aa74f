#include "api/routes/metrics.hpp"

#include "api/history/rows.hpp"
#include "api/http/http1.hpp"
#include "api/pages.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr int kMetricDays = 30;
constexpr std::size_t kNameBytesMax = 100;
constexpr std::size_t kPageBytesMax = kReplyBytesMax - 16 * 1024;

constexpr std::size_t kIdColumn = 0;
constexpr std::size_t kStartColumn = 5;

Json item_of(const sql::Row& row, std::int32_t profile_id) {
  Json item = Json::object();
  item.set("id", number_json(row, kIdColumn)).set("profile_id", profile_id);
  item.set("metric_type", text_json(row, 1)).set("metric_name", text_json(row, 2));
  item.set("metric_value", number_json(row, 3)).set("window_type", text_json(row, 4));
  item.set("window_start", time_json(row, kStartColumn)).set("window_end", time_json(row, 6));
  item.set("labels", text_json(row, 7)).set("status", text_json(row, 8));
  item.set("revision", number_json(row, 9)).set("final", text_of(row, 10) == "1");
  item.set("metadata", metadata_json(row, 11));
  return item;
}

struct Query {
  std::int32_t profile_id = 0;
  Range range;
  std::optional<std::string> metric_type, metric_name;
  std::optional<model::WindowType> window;
  std::optional<Cursor> after;  // window_start and id of the last row shown
  std::int64_t limit = 100;
};

Result<sql::Rows> metric_rows(Stores& stores, const Query& query) {
  std::string sql =
      "SELECT id, metric_type, metric_name, metric_value, window_type, window_start, window_end, "
      "labels, status, revision, final, metadata FROM dd_telemetry_metrics "
      "WHERE profile_id = ? AND window_start >= ? AND window_start < ?";
  std::vector<sql::Value> params{std::int64_t{query.profile_id}, time_value(query.range.from_ns),
                                 time_value(query.range.to_ns)};
  const auto only = [&](const char* column, const std::string& value) {
    sql += std::string(" AND ") + column + " = ?";
    params.emplace_back(value);
  };
  if (query.metric_type) only("metric_type", *query.metric_type);
  if (query.metric_name) only("metric_name", *query.metric_name);
  if (query.window) only("window_type", std::string(model::name_of(*query.window)));
  if (query.after) {
    sql += " AND window_start <= ? AND (window_start < ? OR id < ?)";
    const sql::Value start = model::mysql_datetime(query.after->time_us * model::kNsPerUs);
    params.insert(params.end(), {start, start, query.after->id});
  }
  sql += " ORDER BY window_start DESC, id DESC LIMIT ?";
  params.emplace_back(query.limit + 1);
  return stores.query(sql, params);
}

Response metrics(const Context& context, const Request& request, const PathValues& values) {
  Parameters parameters(request);
  Query query;
  query.profile_id = parameters.profile_id(values);
  query.range = parameters.range(kMetricDays, context.now_ns());
  query.range.from_ns = ceil_to_us(query.range.from_ns);
  query.range.to_ns = ceil_to_us(query.range.to_ns);
  query.metric_type = parameters.one_of("metric_type", {"breakout", "equity", "order", "system"});
  query.metric_name = parameters.text("metric_name", kNameBytesMax);
  query.window = parameters.window();
  query.limit = parameters.integer("limit", 1, 1000, 100);
  if (const auto cursor = parameters.text("cursor", 64)) {
    query.after = parse_cursor(*cursor);
    if (!query.after) parameters.refuse("cursor", "is not one of ours");
  }
  if (auto bad = parameters.problems()) return *bad;

  const auto rows = metric_rows(context.stores.of_this_thread(), query);
  if (!rows) return store_down("mysql");
  std::string body = "[";
  std::int64_t count = 0;
  Provenance provenance;
  Cursor last;
  bool has_more = false;
  for (const sql::Row& row : *rows) {
    const std::string item = item_of(row, query.profile_id).dump();
    has_more = count == query.limit || (count > 0 && body.size() + item.size() > kPageBytesMax);
    if (has_more) break;
    body += (count > 0 ? "," : "") + item;
    const std::int64_t start_ns = time_ns_of(row, kStartColumn);
    if (count == 0) provenance.as_of_ns = start_ns;
    last = {model::floor_div(start_ns, model::kNsPerUs), row.unsigned_integer(kIdColumn)};
    ++count;
  }
  Response response{.body = body + "]", .headers = {}};
  set_common_headers(response, parameters, provenance);
  if (has_more) {
    response.set("Link", next_link(request, query.range, last));
  }
  const std::string said = response.body;
  apply_etag(request, said, response);
  return response;
}

}  // namespace

void add_metric_routes(Router& router, const Context& context) {
  router.add("/api/v1/metrics/{profile_id}", bound(metrics, context));
}

}  // namespace ddt::api
