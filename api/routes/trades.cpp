#include "api/routes/trades.hpp"

#include "api/history/trades.hpp"
#include "api/routes/windows.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr int kPerformanceDays = 30;
constexpr int kBreakoutDays = 7;
// The fixed names of /performance beside those of METRICS.
void set_performance(Json& object, std::span<const model::Figure> figures) {
  set_figures(object, figures);
  if (const auto* total = model::find(figures, "closed_trade_pnl")) {
    object.set("total_pnl", e8_json(total->value_e8));
  }
}

Response performance(const Context& context, const Request& request, const PathValues& values) {
  Parameters parameters(request);
  const std::int64_t now_ns = context.now_ns();
  const std::int32_t profile_id = parameters.profile_id(values);
  const Range range = parameters.range(kPerformanceDays, now_ns);
  const auto symbol = parameters.symbol();
  const auto window = parameters.window();
  if (auto bad = parameters.problems()) return *bad;

  Stores& stores = context.stores.of_this_thread();
  const auto history = symbol ? trade_history_of_symbol(stores, profile_id, range, *symbol, window)
                              : trade_history(stores, profile_id, range, window, Only::every_trade);
  if (!history) return store_down("mysql");
  ObjectAnswer answer(profile_id);
  const model::TradeSummary& all = history->trades.summary;
  const auto figures = model::trade_figures(all);
  answer.figures(figures);
  answer.figures(history->trades.streak_figures());
  if (const auto* total = model::find(figures, "closed_trade_pnl")) {
    answer.figure(*total, "total_pnl");
  }
  if (all.trades == all.without_pnl) {  // clients call toFixed on these: they stay 0
    for (const char* name : {"win_rate", "avg_pnl", "avg_win", "avg_loss", "total_pnl"}) {
      answer.set(name, 0);
      answer.reason(name, "no_trades");
    }
  }
  if (window) {
    Json list = Json::array();
    for (const auto& [one, of_window] : history->windows) {
      Json json = window_head(one, now_ns);
      set_performance(json, model::trade_figures(of_window.trades.summary));
      list.push_back(std::move(json));
    }
    answer.set("windows", std::move(list));
  }
  return std::move(answer).finish(parameters, request, range,
                                  {"history", history->trades.last_exit_ns}, now_ns);
}

Response breakout(const Context& context, const Request& request, const PathValues& values) {
  Parameters parameters(request);
  const std::int64_t now_ns = context.now_ns();
  const std::int32_t profile_id = parameters.profile_id(values);
  const Range range = parameters.range(kBreakoutDays, now_ns);
  const auto window = parameters.window();
  if (auto bad = parameters.problems()) return *bad;

  const auto history =
      trade_history(context.stores.of_this_thread(), profile_id, range, window, Only::breakout);
  if (!history) return store_down("mysql");
  ObjectAnswer answer(profile_id);
  answer.set("total_signals", history->signals.count());
  answer.figures(model::breakout_figures(history->trades.summary));
  answer.figures(history->trades.streak_figures());
  if (window) {
    Json list = Json::array();
    for (const auto& [one, of_window] : history->windows) {
      Json json = window_head(one, now_ns);
      json.set("total_signals", of_window.signals.count());
      set_figures(json, model::breakout_figures(of_window.trades.summary));
      list.push_back(std::move(json));
    }
    answer.set("windows", std::move(list));
  }
  return std::move(answer).finish(parameters, request, range,
                                  {"history", history->trades.last_exit_ns}, now_ns);
}

bool wants_csv(const Request& request, Parameters& parameters) {
  const auto format = parameters.one_of("format", {"json", "csv"});
  if (format) return *format == "csv";
  const auto accept = request.header("accept");
  return accept && accept->find("text/csv") != std::string_view::npos;
}

Response trade_list(const Context& context, const Request& request, const PathValues& values) {
  Parameters parameters(request);
  TradeListQuery query;
  query.profile_id = parameters.profile_id(values);
  query.range = parameters.range(kPerformanceDays, context.now_ns());
  // Whole microseconds, as rows have them: the link to the next page says the same range.
  query.range.from_ns = ceil_to_us(query.range.from_ns);
  query.range.to_ns = ceil_to_us(query.range.to_ns);
  query.symbol = parameters.symbol();
  query.limit = parameters.integer("limit", 1, 1000, 100);
  query.wants_csv = wants_csv(request, parameters);
  if (const auto cursor = parameters.text("cursor", 64)) {
    query.after = parse_cursor(*cursor);
    if (!query.after) parameters.refuse("cursor", "is not one of ours");
  }
  if (auto bad = parameters.problems()) return *bad;

  auto page = trade_page(context.stores.of_this_thread(), query);
  if (!page) return store_down("mysql");
  const Provenance provenance{"history", page->newest_ns};
  Response response{.body = std::move(page->items), .headers = {}};
  if (query.wants_csv) {
    response.content_type = "text/csv; charset=utf-8; header=present";
    response.body = std::move(page->csv);
  }
  set_common_headers(response, parameters, provenance);
  if (page->next) response.set("Link", next_link(request, query.range, *page->next));
  const std::string said = response.body;
  apply_etag(request, said, response);
  return response;
}

}  // namespace

void add_trade_routes(Router& router, const Context& context) {
  router.add("/api/v1/trades/{profile_id}", bound(trade_list, context));
  router.add("/api/v1/trades/{profile_id}/performance", bound(performance, context));
  router.add("/api/v1/metrics/breakout/{profile_id}", bound(breakout, context));
}

}  // namespace ddt::api
