#include "api/ws/feed.hpp"

#include <spdlog/spdlog.h>

#include <charconv>
#include <ranges>
#include <utility>

#include "api/app.hpp"
#include "api/http/json.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kListenFor{10};  // a join waits no longer than this
constexpr std::chrono::milliseconds kRetryPause{500};
constexpr std::size_t kUpdatesPerPost = 256;
constexpr std::size_t kSignalsShown = 20;

// The profile at the end of a channel's name.
std::optional<std::int32_t> profile_of(std::string_view channel) {
  const std::string_view digits = channel.substr(channel.rfind(':') + 1);
  std::int32_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return id;
}

Json raw_or_null(const std::optional<redis::LiveValue>& value) {
  return value ? Json::raw(value->text) : Json();
}

Json raw_list(const std::vector<redis::LiveValue>& values) {
  Json list = Json::array();
  for (const redis::LiveValue& value : values) list.push_back(Json::raw(value.text));
  return list;
}

Result<Json> snapshot_data(redis::LiveReader& reader, std::int32_t profile_id) {
  auto equity = reader.equity(profile_id);
  if (!equity) return equity.error();
  auto positions = reader.positions(profile_id);
  if (!positions) return positions.error();
  auto signals = reader.signals(profile_id, kSignalsShown);
  if (!signals) return signals.error();
  auto seen = reader.scripts(profile_id);
  if (!seen) return seen.error();
  Json scripts = Json::array();
  for (const redis::ScriptSeen& script : *seen) {
    auto health = reader.health(profile_id, script.script_name);
    if (!health) return health.error();
    auto rate_limit = reader.rate_limit(profile_id, script.script_name);
    if (!rate_limit) return rate_limit.error();
    Json one = Json::object();
    one.set("script_name", script.script_name).set("state", script.state);
    one.set("last_seen", model::rfc3339(script.last_seen_ns));
    one.set("health", raw_or_null(*health)).set("rate_limit", raw_or_null(*rate_limit));
    scripts.push_back(std::move(one));
  }
  Json data = Json::object();
  data.set("profile_id", profile_id).set("equity", raw_or_null(*equity));
  data.set("positions", raw_list(*positions)).set("scripts", std::move(scripts));
  data.set("signals", raw_list(*signals));
  return data;
}

}  // namespace

Feed::Feed(redis::ConnectOptions options, redis::LiveKeys keys, OnUpdates on_updates,
           OnSnapshot on_snapshot)
    : options_(std::move(options)),
      keys_(std::move(keys)),
      on_updates_(std::move(on_updates)),
      on_snapshot_(std::move(on_snapshot)),
      reader_(options_, keys_) {}

Feed::~Feed() { stop(); }

void Feed::start() {
  thread_ = std::thread([this] { work(); });
}

void Feed::stop() {
  is_stopping_.store(true);  // seq_cst: once, at the end
  if (thread_.joinable()) thread_.join();
}

void Feed::join(std::int32_t profile_id, std::uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  requests_.push_back({profile_id, ticket, false});
}

void Feed::leave(std::int32_t profile_id) {
  const std::lock_guard lock(mutex_);
  requests_.push_back({profile_id, kEveryone, true});
}

void Feed::work() {
  while (!is_stopping_.load()) {
    const bool is_connected = connect();
    serve_requests();
    if (is_connected) {
      listen();
    } else {
      std::this_thread::sleep_for(kListenFor);
    }
  }
}

bool Feed::connect() {
  if (subscriber_ && subscriber_->is_open()) return true;
  subscriber_.reset();
  if (watched_.empty()) return false;  // nobody is there: no connection is needed
  if (Clock::now() < retry_at_) return false;
  retry_at_ = Clock::now() + kRetryPause;
  auto subscriber = redis::Subscriber::connect(options_);
  if (!subscriber) {
    if (!was_away_) spdlog::warn("ws: {}", subscriber.error().message);
    was_away_ = true;
    return false;
  }
  for (const std::int32_t profile_id : watched_) {
    if (!subscriber->subscribe(keys_.channel(profile_id))) {
      was_away_ = true;
      return false;
    }
  }
  if (was_away_ && !reader_.ping()) return false;  // it pauses after a failure, too
  subscriber_.emplace(std::move(*subscriber));
  if (std::exchange(was_away_, false)) {
    for (const std::int32_t profile_id : watched_) on_snapshot_(snapshot_of(profile_id, kEveryone));
  }
  return true;
}

// Updates may be missed from here on.
void Feed::drop() {
  subscriber_.reset();
  was_away_ = true;
}

void Feed::serve_requests() {
  std::vector<Request> requests;
  {
    const std::lock_guard lock(mutex_);
    requests.swap(requests_);
  }
  for (const Request& request : requests) {
    const std::string channel = keys_.channel(request.profile_id);
    if (request.is_leave) {
      watched_.erase(request.profile_id);
      if (subscriber_ && !subscriber_->unsubscribe(channel)) drop();
      continue;
    }
    if (watched_.insert(request.profile_id).second) {
      if (subscriber_ && !subscriber_->subscribe(channel)) drop();
      if (!subscriber_) connect();
    }
    on_snapshot_(snapshot_of(request.profile_id, request.ticket));
  }
}

void Feed::listen() {
  std::vector<Update> updates;
  std::chrono::milliseconds wait = kListenFor;
  while (updates.size() < kUpdatesPerPost) {
    auto message = subscriber_->next(wait);
    if (!message) {
      spdlog::warn("ws: {}", message.error().message);
      drop();
      break;
    }
    if (!*message) break;
    wait = std::chrono::milliseconds{0};  // take what is there already, then hand it on
    const auto profile_id = profile_of((*message)->channel);
    if (!profile_id) continue;
    for (const auto line : std::views::split((*message)->payload, '\n')) {
      if (auto update = parse_update(*profile_id, std::string(line.begin(), line.end())))
        updates.push_back(std::move(*update));
    }
  }
  if (!updates.empty()) on_updates_(std::move(updates));
}

Snapshot Feed::snapshot_of(std::int32_t profile_id, std::uint64_t ticket) {
  Snapshot snapshot{.profile_id = profile_id, .ticket = ticket, .seq = 0, .text = {}};
  // The seq first: an update that comes in between is repeated, never missed.
  const auto seq = reader_.last_seq(profile_id);
  auto data = seq ? snapshot_data(reader_, profile_id) : Result<Json>(seq.error());
  Json message = Json::object();
  message.set("type", "snapshot").set("seq", data ? Json(*seq) : Json());
  message.set("ts", model::rfc3339(system_now_ns()));
  if (data) {
    snapshot.seq = *seq;
    message.set("data", std::move(*data));
  } else {
    was_away_ = true;  // once it is back, they get a real one
    message.set("data", Json()).set("reasons", Json::object().set("data", "redis_down"));
  }
  snapshot.text = message.dump();
  return snapshot;
}

}  // namespace ddt::api
