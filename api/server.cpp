#include "api/server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pistache/endpoint.h>
#include <pistache/http.h>
#include <pistache/peer.h>
#include <pistache/transport.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <ctime>
#include <exception>
#include <thread>
#include <utility>

#include "api/http/connections.hpp"
#include "api/http/http1.hpp"
#include "api/http/problem.hpp"

namespace ddt::api {
namespace {

constexpr const char* kConnectionData = "ddt.connection";
constexpr std::size_t kSwallowedBytesMax = 1024 * 1024;
constexpr std::chrono::hours kNever{24 * 365};  // Pistache's timeouts abort the process: FACTS

// What all reactor threads share.
struct Shared {
  RequestHandler handle;
  Connections connections;
};

// Printed once a second on each thread.
const std::string& date_of_now() {
  thread_local std::time_t second = -1;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != second) {
    second = now;
    text = imf_fixdate(now);
  }
  return text;
}

Response answer(const Shared& shared, const Request& request) noexcept {
  try {
    Response response = shared.handle(request);
    if (response.body.size() <= kReplyBytesMax) return response;
    return problem(500, "The reply would be too large.");
  } catch (...) {  // the edge of a request: nothing of it may reach the client
    return problem(500, "");
  }
}

class Reactor : public Pistache::Http::Handler {
 public:
  HTTP_PROTOTYPE(Reactor)

  explicit Reactor(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  // Never reached: onInput below does the framing.
  void onRequest(const Pistache::Http::Request&, Pistache::Http::ResponseWriter) override {}

 private:
  using Peer = std::shared_ptr<Pistache::Tcp::Peer>;

  void onConnection(const Peer& peer) override {
    // Pistache's idle sweep reads this parser's clock; it gets no byte.
    peer->putData(ParserData, std::make_shared<Pistache::Http::RequestParser>(1));
    peer->putData(kConnectionData, shared_->connections.add(peer->fd()));
  }

  void onDisconnection(const Peer& peer) override {
    if (const auto connection = connection_of(peer)) shared_->connections.remove(connection);
    transport()->flush();
  }

  void onInput(const char* bytes, std::size_t length, const Peer& peer) override {
    const auto connection = connection_of(peer);
    if (!connection) return;
    try {
      serve(connection, {bytes, length});
    } catch (const std::exception&) {  // no memory: give the connection up, keep the process
      connection->is_deaf = true;
      shared_->connections.expect_within(*connection, std::chrono::seconds{0});
    }
  }

  static std::shared_ptr<Connection> connection_of(const Peer& peer) {
    return std::static_pointer_cast<Connection>(peer->tryGetData(kConnectionData));
  }

  void serve(const std::shared_ptr<Connection>& connection, std::string_view bytes) {
    Connection& c = *connection;
    if (c.is_deaf) {
      swallow(c, bytes.size());
      return;
    }
    if (c.input.empty()) shared_->connections.expect_within(c, kRequestTime);
    c.input.append(bytes);
    std::size_t used = 0;
    while (!c.is_deaf && used < c.input.size()) {
      auto result = parse_request(std::string_view(c.input).substr(used));
      if (std::holds_alternative<NeedMore>(result)) break;
      if (const auto* bad = std::get_if<BadRequest>(&result)) {
        reply(connection, problem(bad->status, bad->detail), false, AfterReply::linger);
        c.is_deaf = true;
        break;
      }
      const Parsed& parsed = std::get<Parsed>(result);
      used += parsed.consumed;
      const Request& request = parsed.request;
      const auto after = request.keep_alive      ? AfterReply::keep
                         : used < c.input.size() ? AfterReply::linger
                                                 : AfterReply::close;
      reply(connection, answer(*shared_, request), request.method == "HEAD", after);
      c.is_deaf = !request.keep_alive;
      shared_->connections.expect_within(c, c.is_deaf ? kLingerTime : kIdleTime);
    }
    c.input.erase(0, c.is_deaf ? c.input.size() : used);
    if (!c.is_deaf && used > 0 && !c.input.empty()) {
      shared_->connections.expect_within(c, kRequestTime);
    }
  }

  void reply(const std::shared_ptr<Connection>& connection, const Response& response,
             bool head_only, AfterReply after) {
    shared_->connections.send(
        connection, serialize(response, head_only, after == AfterReply::keep, date_of_now()),
        after);
  }

  void swallow(Connection& connection, std::size_t length) {
    connection.swallowed_bytes += length;
    if (connection.swallowed_bytes < kSwallowedBytesMax) return;
    shared_->connections.expect_within(connection, std::chrono::seconds{0});
  }

  std::shared_ptr<Shared> shared_;  // shared: each reactor thread has a clone of this handler
};

// True once somebody accepts: then stop() cannot come before the reactors run.
bool is_answering(const std::string& bind, std::uint16_t port, const Connections& connections) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  const std::string host = bind == "0.0.0.0" ? "127.0.0.1" : bind;
  bool is_accepted = false;
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1 &&
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    for (int i = 0; i < 2000 && !is_accepted; ++i) {
      is_accepted = connections.count() > 0;
      if (!is_accepted) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  ::close(fd);
  return is_accepted;
}

}  // namespace

struct Server::Impl {
  ServerOptions options;
  std::shared_ptr<Shared> shared;
  std::unique_ptr<Pistache::Http::Endpoint> endpoint;
  std::uint16_t port = 0;
};

Server::Server(ServerOptions options, RequestHandler handler)
    : impl_(std::make_unique<Impl>(
          Impl{.options = options,
               .shared = std::shared_ptr<Shared>(
                   new Shared{std::move(handler), Connections(options.connections_max)}),
               .endpoint = nullptr})) {}

Server::~Server() { stop(); }

Status Server::start() {
  const ServerOptions& options = impl_->options;
  const std::string where = options.bind + ":" + std::to_string(options.port);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const Pistache::Address address(options.bind, Pistache::Port(options.port));
    impl_->endpoint = std::make_unique<Pistache::Http::Endpoint>(address);
    auto pistache = Pistache::Http::Endpoint::options();
    pistache.threads(options.threads)
        .threadsName("ddt-api")
        .flags(Pistache::Tcp::Options::ReuseAddr | Pistache::Tcp::Options::NoDelay |
               Pistache::Tcp::Options::CloseOnExec)
        .headerTimeout(kNever)
        .bodyTimeout(kNever)
        .keepaliveTimeout(kNever);
    impl_->endpoint->init(pistache);
    impl_->endpoint->setHandler(std::make_shared<Reactor>(impl_->shared));
    impl_->endpoint->serveThreaded();
    impl_->port = static_cast<std::uint16_t>(impl_->endpoint->getPort());
  } catch (const std::exception& e) {
    impl_->endpoint.reset();
    return Error{"http: listen on " + where + ": " + e.what()};
  }
  if (!is_answering(options.bind, impl_->port, impl_->shared->connections)) {
    return Error{"http: listen on " + where + ": nobody answers"};
  }
  return Done{};
}

std::uint16_t Server::port() const { return impl_->port; }

void Server::stop() {
  if (!impl_->endpoint) return;
  Connections& connections = impl_->shared->connections;
  connections.end_reading();
  for (int i = 0; i < 1000 && connections.count() > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  impl_->endpoint->shutdown();
  impl_->endpoint.reset();  // joins the reactor threads
}

}  // namespace ddt::api
