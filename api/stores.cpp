#include "api/stores.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace ddt::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kNoSuchKey = 1176;
constexpr std::chrono::seconds kNoHint{10};  // then the index is asked for again
constexpr std::string_view kHint = "FORCE INDEX (";

// The indexes that a query names.
std::vector<std::string> hints_in(const std::string& sql) {
  std::vector<std::string> names;
  for (std::size_t at = sql.find(kHint); at != std::string::npos; at = sql.find(kHint, at)) {
    at += kHint.size();
    names.push_back(sql.substr(at, sql.find(')', at) - at));
  }
  return names;
}

void remove_hint(std::string& sql, const std::string& name) {
  const std::string hint = std::string(kHint) + name + ")";
  for (std::size_t at = sql.find(hint); at != std::string::npos; at = sql.find(hint, at))
    sql.erase(at, hint.size());
}

}  // namespace

bool Backoff::is_due() const { return Clock::now() >= due_; }

void Backoff::failed() {
  wait_ = std::clamp(wait_ * 2, kRetryMin, kRetryMax);
  due_ = Clock::now() + wait_;
}

void Backoff::succeeded() {
  wait_ = std::chrono::milliseconds{0};
  due_ = {};
}

Stores::Stores(StoreOptions options)
    : options_(std::move(options)), live_(options_.redis, options_.live_keys) {
  options_.mysql.only_reads = true;
}

Result<sql::Connection*> Stores::mysql() {
  if (mysql_ && mysql_->is_open()) return &*mysql_;
  mysql_.reset();
  if (!mysql_backoff_.is_due()) return Error{"mysql: not reachable a moment ago", true};
  auto connection = sql::Connection::connect(options_.mysql);
  if (!connection) {
    mysql_backoff_.failed();
    spdlog::warn("{}", connection.error().message);
    return connection.error();
  }
  mysql_backoff_.succeeded();
  // Of each value of an IN list the server would look first how many rows there are: as long as the query.
  if (auto set = connection->run("SET SESSION eq_range_index_dive_limit = 1"); !set)
    return set.error();
  mysql_.emplace(std::move(*connection));
  return &*mysql_;
}

Result<sql::Rows> Stores::query(const std::string& sql, const std::vector<sql::Value>& params) {
  for (int attempt = 0;; ++attempt) {
    const bool was_kept = mysql_ && mysql_->is_open();
    if (is_in_snapshot_ && !was_kept) return Error{"mysql: the connection ended in between", true};
    auto connection = mysql();
    if (!connection) return connection.error();
    auto rows = query_hinted(**connection, sql, params);
    if (rows) return rows;
    const bool has_died = !(*connection)->is_open();
    if (was_kept && has_died && attempt == 0 && !is_in_snapshot_) continue;
    if (has_died) mysql_backoff_.failed();
    spdlog::warn("{}", rows.error().message);
    return rows.error();
  }
}

Result<sql::Rows> Stores::query_hinted(sql::Connection& connection, const std::string& sql,
                                       const std::vector<sql::Value>& params) {
  std::string asked = sql;
  for (const auto& [name, until] : missing_indexes_) {
    if (Clock::now() < until) remove_hint(asked, name);
  }
  for (;;) {
    auto rows = connection.query(asked, params);
    if (rows || rows.error().code != kNoSuchKey) return rows;
    // One of them, which the message names.
    const auto names = hints_in(asked);
    const auto missing = std::ranges::find_if(names, [&rows](const std::string& name) {
      return rows.error().message.find("'" + name + "'") != std::string::npos;
    });
    if (missing == names.end()) return rows;
    spdlog::warn("{}; ddt-sidecar makes it: asking without it until then", rows.error().message);
    missing_indexes_[*missing] = Clock::now() + kNoHint;
    remove_hint(asked, *missing);
  }
}

Status Stores::begin_snapshot() {
  for (int attempt = 0;; ++attempt) {
    const bool was_kept = mysql_ && mysql_->is_open();
    auto connection = mysql();
    if (!connection) return connection.error();
    Status begun = (*connection)->begin_snapshot();
    if (begun) {
      is_in_snapshot_ = true;
      return begun;
    }
    const bool has_died = !(*connection)->is_open();
    if (was_kept && has_died && attempt == 0) continue;
    if (has_died) mysql_backoff_.failed();
    spdlog::warn("{}", begun.error().message);
    return begun;
  }
}

// A connection that cannot end it is given up.
void Stores::end_snapshot() {
  is_in_snapshot_ = false;
  if (mysql_ && (!mysql_->is_open() || !mysql_->commit())) mysql_.reset();
}

Stores& StoresOfThreads::of_this_thread() {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Stores>& stores = stores_[std::this_thread::get_id()];
  if (!stores) stores = std::make_unique<Stores>(options_);
  return *stores;
}

}  // namespace ddt::api
