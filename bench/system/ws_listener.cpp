#include "bench/system/ws_listener.hpp"

// clang-format off
#include <utility>  // before Asio: g++ 12 with C++20

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
// clang-format on

#include <deque>
#include <string>
#include <thread>

#include "shm/base/clock.hpp"

namespace ddt::bench {

namespace asio = boost::asio;
namespace beast = boost::beast;

namespace {

struct Client {
  explicit Client(asio::io_context& io) : stream(io) {}
  beast::websocket::stream<asio::ip::tcp::socket> stream;
  beast::flat_buffer buffer;
};

std::string_view text_of(const beast::flat_buffer& buffer) {
  return {static_cast<const char*>(buffer.data().data()), buffer.size()};
}

}  // namespace

struct WsListener::Impl {
  explicit Impl(OnText from) : on_text(std::move(from)) {}

  void join(std::uint16_t port, std::int32_t profile_id) {
    Client& client = clients.emplace_back(io);
    client.stream.next_layer().connect({asio::ip::address_v4::loopback(), port});
    client.stream.next_layer().set_option(asio::ip::tcp::no_delay(true));
    client.stream.handshake("127.0.0.1:" + std::to_string(port),
                            "/ws/metrics/" + std::to_string(profile_id));
    client.stream.read(client.buffer);
    if (!text_of(client.buffer).starts_with("{\"type\":\"snapshot\""))
      throw std::runtime_error("the WebSocket began with " + std::string(text_of(client.buffer)));
    client.buffer.clear();
  }

  void listen(Client& client) {
    client.stream.async_read(client.buffer, [this, &client](beast::error_code error, std::size_t) {
      if (error) return;
      on_text(text_of(client.buffer), monotonic_ns());
      client.buffer.clear();
      listen(client);
    });
  }

  OnText on_text;
  asio::io_context io{1};
  std::deque<Client> clients;
  std::thread thread;
};

WsListener::WsListener(std::uint16_t port, const std::vector<std::int32_t>& profile_ids,
                       OnText on_text)
    : impl_(std::make_unique<Impl>(std::move(on_text))) {
  Impl& impl = *impl_;
  for (const std::int32_t profile_id : profile_ids) impl.join(port, profile_id);
  for (Client& client : impl.clients) impl.listen(client);
  impl.thread = std::thread([&impl] { impl.io.run(); });
}

WsListener::~WsListener() {
  impl_->io.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace ddt::bench
