#include "api/routes/metrics.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

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

constexpr const char* kColumns =
    "SELECT id, metric_type, metric_name, metric_value, window_type, window_start, window_end, "
    "labels, status, revision, final, metadata FROM dd_telemetry_metrics FORCE INDEX (";
constexpr const char* kInRange =
    ") WHERE profile_id = ? AND window_start >= ? AND window_start < ?";

// The index is said: the optimizer would rather read all rows of the profile than a range of them.
struct Question {
  std::string sql;
  std::vector<sql::Value> params;

  Question(const Query& query, const char* index)
      : sql(std::string(kColumns) + index + kInRange),
        params{std::int64_t{query.profile_id}, time_value(query.range.from_ns),
               time_value(query.range.to_ns)} {
    if (!query.after) return;
    sql += " AND window_start <= ? AND (window_start < ? OR id < ?)";
    const sql::Value start = model::mysql_datetime(query.after->time_us * model::kNsPerUs);
    params.insert(params.end(), {start, start, query.after->id});
  }
  void only(const char* column, const std::string& value) {
    sql += std::string(" AND ") + column + " = ?";
    params.emplace_back(value);
  }
};

using Kind = std::pair<std::string, std::string>;  // metric_type, window_type

// What there is of a profile; one look into the index for each, where DISTINCT would read all of it.
Result<std::vector<Kind>> kinds_of(Stores& stores, const Query& query) {
  std::vector<Kind> kinds;
  if (query.metric_type && query.window)
    return std::vector<Kind>{{*query.metric_type, std::string(model::name_of(*query.window))}};
  const auto next = [&](const char* condition, const std::vector<std::string>& after) {
    std::vector<sql::Value> params;
    params.emplace_back(std::int64_t{query.profile_id});
    for (const std::string& text : after) params.emplace_back(text);
    return stores.query(
        std::string("SELECT metric_type, window_type FROM dd_telemetry_metrics FORCE INDEX "
                    "(idx_profile_type_window) WHERE profile_id = ? AND ") +
            condition + " ORDER BY metric_type, window_type LIMIT 1",
        params);
  };
  auto found = query.metric_type ? next("metric_type = ?", {*query.metric_type})
                                 : next("metric_type > ?", {""});
  while (found && !found->empty()) {
    const Kind kind{text_of(found->front(), 0), text_of(found->front(), 1)};
    kinds.push_back(kind);
    found = next("metric_type = ? AND window_type > ?", {kind.first, kind.second});
    if (found && found->empty() && !query.metric_type)
      found = next("metric_type > ?", {kind.first});
  }
  if (!found) return found.error();
  return kinds;
}

// The newest rows of one kind, at least as many as are wanted: whole Windows' where one figure has several
// labels, because the index orders those by label and not by id.
Result<sql::Rows> rows_of_kind(Stores& stores, const Query& query, const std::string& metric_type,
                               const std::string& window_type) {
  Question question(query, query.metric_name ? "uq_metric_window" : "idx_profile_type_window");
  question.only("metric_type", metric_type);
  question.only("window_type", window_type);
  if (query.metric_name) question.only("metric_name", *query.metric_name);
  Question last = question;
  question.sql += query.metric_name ? " ORDER BY window_start DESC, labels DESC LIMIT ?"
                                    : " ORDER BY window_start DESC, id DESC LIMIT ?";
  question.params.emplace_back(query.limit + 1);
  auto rows = stores.query(question.sql, question.params);
  const bool is_cut = rows && rows->size() > static_cast<std::size_t>(query.limit);
  if (!is_cut || !query.metric_name) return rows;
  const std::string start(rows->back().text(kStartColumn));
  last.only("window_start", start);
  auto of_window = stores.query(last.sql, last.params);
  if (!of_window) return of_window.error();
  std::erase_if(*rows, [&](const sql::Row& row) { return row.text(kStartColumn) == start; });
  std::ranges::move(*of_window, std::back_inserter(*rows));
  return rows;
}

// Newest Window first, then by id. With a filter every kind is asked for its own newest rows, each in the order of an
// index: the others' rows between them are not read.
Result<sql::Rows> metric_rows(Stores& stores, const Query& query) {
  if (!query.metric_type && !query.metric_name && !query.window) {
    Question question(query, "idx_profile_window");
    question.sql += " ORDER BY window_start DESC, id DESC LIMIT ?";
    question.params.emplace_back(query.limit + 1);
    return stores.query(question.sql, question.params);
  }
  const auto kinds = kinds_of(stores, query);
  if (!kinds) return kinds.error();
  sql::Rows all;
  for (const auto& [metric_type, window_type] : *kinds) {
    if (query.window && window_type != model::name_of(*query.window)) continue;
    auto rows = rows_of_kind(stores, query, metric_type, window_type);
    if (!rows) return rows.error();
    std::ranges::move(*rows, std::back_inserter(all));
  }
  std::ranges::sort(all, std::ranges::greater{}, [](const sql::Row& row) {
    return std::make_pair(std::string(row.text(kStartColumn)), row.unsigned_integer(kIdColumn));
  });
  if (all.size() > static_cast<std::size_t>(query.limit) + 1)
    all.resize(static_cast<std::size_t>(query.limit) + 1);
  return all;
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

  Stores& stores = context.stores.of_this_thread();
  const auto rows = stores.in_snapshot([&] { return metric_rows(stores, query); });
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
