#include "api/ws/server.hpp"

#include <map>
#include <thread>

#include "api/app.hpp"
#include "api/http/json.hpp"
#include "api/http/problem.hpp"
#include "api/middleware/cors.hpp"
#include "api/parameters.hpp"
#include "api/ws/asio.hpp"
#include "api/ws/channel.hpp"
#include "api/ws/feed.hpp"
#include "api/ws/session.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {

namespace asio = boost::asio;
using boost::beast::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kHeartbeat{15};
constexpr std::chrono::seconds kKeptAfterLast{60};  // so that a client that comes back can resume

Session::Text shared_text(std::string text) {
  return std::make_shared<const std::string>(std::move(text));  // shared by all it goes to
}

Session::Text plain_message(const char* type, std::int64_t seq) {
  Json json = Json::object();
  json.set("type", type).set("seq", seq).set("ts", model::rfc3339(system_now_ns()));
  return shared_text(json.dump());
}

std::string_view host_without_port(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  const bool is_port = colon != std::string_view::npos && host.find(']', colon) == host.npos;
  return is_port ? host.substr(0, colon) : host;
}

// A page of our own (any port of the same host), one that CORS allows, or no browser at all.
bool may_connect(const std::vector<std::string>& origins, const Request& request) {
  const auto origin = request.header("origin");
  if (!origin) return true;
  for (const std::string& pattern : origins) {
    if (origin_matches(pattern, *origin)) return true;
  }
  const std::size_t scheme = origin->find("://");
  const auto host = request.header("host");
  return scheme != std::string_view::npos && host &&
         host_without_port(origin->substr(scheme + 3)) == host_without_port(*host);
}

std::variant<WsQuestion, Response> judge(const std::vector<std::string>& origins,
                                         const Request& request) {
  const auto& segments = request.segments;
  if (segments.size() != 3 || segments[0] != "ws" || segments[1] != "metrics") {
    return problem(404, "There is nothing at this path.");
  }
  if (!may_connect(origins, request)) return problem(403, "This origin may not connect.");
  Parameters parameters(request);
  WsQuestion question;
  question.profile_id = parameters.profile_id({{"profile_id", segments[2]}});
  const std::int64_t since = parameters.integer("since", 0, INT64_MAX, -1);
  if (since >= 0) question.since = since;
  if (auto bad = parameters.problems()) return *bad;
  return question;
}

// One watched profile.
struct Watched {
  explicit Watched(asio::io_context& io) : timer(io) {}
  Channel channel;
  std::map<std::uint64_t, std::shared_ptr<Session>> sessions;  // by ticket; shared with their I/O
  asio::steady_timer timer;
  bool is_timer_set = false;
  Clock::time_point empty_since = Clock::now();
};

}  // namespace

struct WsServer::Impl {
  explicit Impl(WsOptions from)
      : options(std::move(from)),
        acceptor(io),
        sweep(io),
        feed(
            options.redis, options.live_keys,
            [this](std::vector<Update> updates) {
              asio::post(io, [this, moved = std::move(updates)]() mutable {
                on_updates(std::move(moved));
              });
            },
            [this](Snapshot snapshot) {
              asio::post(io, [this, moved = std::move(snapshot)] { on_snapshot(moved); });
            }) {}

  void accept();
  void on_open(const std::shared_ptr<Session>& session);
  void on_close(Session& session);
  void on_updates(std::vector<Update> updates);
  void on_snapshot(const Snapshot& snapshot);
  void flush(std::int32_t profile_id);
  void broadcast(Watched& watched, const WsMessage& message);
  void sweep_later();
  void sweep_now();
  Watched& watched_of(std::int32_t profile_id);

  WsOptions options;
  asio::io_context io{1};
  asio::ip::tcp::acceptor acceptor;
  asio::steady_timer sweep;
  std::map<std::int32_t, std::unique_ptr<Watched>> watched;
  std::size_t clients = 0;
  std::uint64_t next_ticket = kEveryone + 1;
  Clock::time_point heartbeat_at = Clock::now() + kHeartbeat;
  std::uint16_t port = 0;
  Feed feed;
  std::thread thread;
};

void WsServer::Impl::accept() {
  acceptor.async_accept([this](error_code error, asio::ip::tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error && clients < options.clients_max) {
      ++clients;
      // shared: the session lives as long as an operation of its own is under way.
      std::make_shared<Session>(
          std::move(socket), next_ticket++,
          [this](const Request& request) { return judge(options.origins, request); },
          [this](const std::shared_ptr<Session>& session) { on_open(session); },
          [this](Session& session) { on_close(session); })
          ->run();
    }
    accept();
  });
}

Watched& WsServer::Impl::watched_of(std::int32_t profile_id) {
  auto& slot = watched[profile_id];
  if (!slot) slot = std::make_unique<Watched>(io);
  return *slot;
}

void WsServer::Impl::on_open(const std::shared_ptr<Session>& session) {
  const WsQuestion& question = session->question();
  Watched& profile = watched_of(question.profile_id);
  profile.sessions.emplace(session->ticket(), session);
  if (question.since) {
    if (const auto missed = profile.channel.resume(*question.since)) {
      session->seen_seq = *question.since;
      for (const WsMessage& message : *missed) {
        session->send(shared_text(message.text));
        session->seen_seq = message.last_seq;
      }
      return;
    }
    session->send(plain_message("gap", profile.channel.last_seq()));
  }
  feed.join(question.profile_id, session->ticket());
}

void WsServer::Impl::on_close(Session& session) {
  --clients;
  const auto found = watched.find(session.question().profile_id);
  if (found == watched.end()) return;
  found->second->sessions.erase(session.ticket());
  if (found->second->sessions.empty()) found->second->empty_since = Clock::now();
}

void WsServer::Impl::on_updates(std::vector<Update> updates) {
  for (Update& update : updates) {
    const std::int32_t profile_id = update.profile_id;
    const auto found = watched.find(profile_id);
    if (found == watched.end()) continue;
    Watched& profile = *found->second;
    if (!profile.channel.push(std::move(update))) {
      const auto gap = plain_message("gap", profile.channel.last_seq());
      for (const auto& [ticket, session] : std::map(profile.sessions)) session->send(gap);
      feed.join(profile_id, kEveryone);
      continue;
    }
    flush(profile_id);
  }
}

void WsServer::Impl::on_snapshot(const Snapshot& snapshot) {
  const auto found = watched.find(snapshot.profile_id);
  if (found == watched.end()) return;
  Watched& profile = *found->second;
  const auto text = shared_text(snapshot.text);
  if (snapshot.ticket != kEveryone) {
    const auto session = profile.sessions.find(snapshot.ticket);
    if (session == profile.sessions.end()) return;
    profile.channel.start_at(snapshot.seq);
    session->second->seen_seq = snapshot.seq;
    std::shared_ptr(session->second)->send(text);
    return;
  }
  profile.channel.forget();
  profile.channel.start_at(snapshot.seq);
  const auto gap = plain_message("gap", snapshot.seq);
  for (const auto& [ticket, session] : std::map(profile.sessions)) {
    if (session->seen_seq > 0) session->send(gap);
    session->seen_seq = snapshot.seq;
    session->send(text);
  }
}

// A copy of the map: a client that is dropped while sending leaves it.
void WsServer::Impl::broadcast(Watched& profile, const WsMessage& message) {
  const auto text = shared_text(message.text);
  for (const auto& [ticket, session] : std::map(profile.sessions)) {
    if (session->seen_seq < 0 || message.last_seq <= session->seen_seq) continue;
    session->send(text);
  }
}

void WsServer::Impl::flush(std::int32_t profile_id) {
  const auto found = watched.find(profile_id);
  if (found == watched.end()) return;
  Watched& profile = *found->second;
  while (const auto message = profile.channel.take(Clock::now())) broadcast(profile, *message);
  const auto due = profile.channel.due();
  if (!due || profile.is_timer_set) return;
  profile.is_timer_set = true;
  profile.timer.expires_at(*due);
  profile.timer.async_wait([this, profile_id](error_code error) {
    if (error) return;
    const auto still = watched.find(profile_id);
    if (still == watched.end()) return;
    still->second->is_timer_set = false;
    flush(profile_id);
  });
}

void WsServer::Impl::sweep_later() {
  sweep.expires_after(std::chrono::seconds(1));
  sweep.async_wait([this](error_code error) {
    if (error) return;
    sweep_now();
    sweep_later();
  });
}

void WsServer::Impl::sweep_now() {
  const auto now = Clock::now();
  const bool is_heartbeat = now >= heartbeat_at;
  if (is_heartbeat) heartbeat_at = now + kHeartbeat;
  for (auto it = watched.begin(); it != watched.end();) {
    Watched& profile = *it->second;
    const auto sessions = profile.sessions;  // a copy, as in broadcast
    const auto beat = plain_message("heartbeat", profile.channel.last_seq());
    for (const auto& [ticket, session] : sessions) {
      session->close_if_stalled(now);
      if (is_heartbeat) session->send(beat);
    }
    if (profile.sessions.empty() && now - profile.empty_since > kKeptAfterLast) {
      feed.leave(it->first);
      it = watched.erase(it);
    } else {
      ++it;
    }
  }
}

WsServer::WsServer(WsOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

WsServer::~WsServer() { stop(); }

Status WsServer::start() {
  Impl& impl = *impl_;
  const std::string where = impl.options.bind + ":" + std::to_string(impl.options.port);
  error_code error;
  const auto address = asio::ip::make_address(impl.options.bind, error);
  const asio::ip::tcp::endpoint endpoint(address, impl.options.port);
  if (!error) impl.acceptor.open(endpoint.protocol(), error);
  if (!error) impl.acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) impl.acceptor.bind(endpoint, error);
  if (!error) impl.acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Error{"ws: listen on " + where + ": " + error.message()};
  impl.port = impl.acceptor.local_endpoint().port();
  impl.accept();
  impl.sweep_later();
  impl.feed.start();
  impl.thread = std::thread([&impl] { impl.io.run(); });
  return Done{};
}

std::uint16_t WsServer::port() const { return impl_->port; }

void WsServer::stop() {
  Impl& impl = *impl_;
  if (!impl.thread.joinable()) return;
  impl.feed.stop();
  impl.io.stop();
  impl.thread.join();
  impl.watched.clear();
}

}  // namespace ddt::api
