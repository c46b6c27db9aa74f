// api/ws/session.hpp — one WebSocket client, after its handshake was judged.
//
// Threads   The server's one thread. Lifetime: shared by the operations under way; close() ends them.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "api/http/message.hpp"
#include "api/ws/asio.hpp"

namespace ddt::api {

// What a client asked for.
struct WsQuestion {
  std::int32_t profile_id = 0;
  std::optional<std::int64_t> since;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  static constexpr std::size_t kQueuedBytesMax = 1024 * 1024;
  static constexpr std::chrono::seconds kStall{10};

  using Text = std::shared_ptr<const std::string>;  // shared by all clients it goes to
  // Judges the request: the question, or the answer that refuses it.
  using Judge = std::function<std::variant<WsQuestion, Response>(const Request&)>;
  using OnOpen = std::function<void(const std::shared_ptr<Session>&)>;
  using OnClose = std::function<void(Session&)>;

  Session(boost::asio::ip::tcp::socket socket, std::uint64_t ticket, Judge judge, OnOpen on_open,
          OnClose on_close);

  void run();
  void send(const Text& text);
  void close();
  void close_if_stalled(std::chrono::steady_clock::time_point now);

  std::uint64_t ticket() const { return ticket_; }
  const WsQuestion& question() const { return question_; }
  std::int64_t seen_seq = -1;  // its snapshot stands there; -1 before it has one

 private:
  using Error = boost::beast::error_code;
  void on_request(Error error);
  void refuse(const Response& response);
  void on_accept(Error error);
  void read();
  void write();
  void on_write(Error error);

  boost::beast::websocket::stream<boost::beast::tcp_stream> stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::empty_body>> parser_;
  boost::beast::http::response<boost::beast::http::string_body> refusal_;
  const std::uint64_t ticket_;
  const Judge judge_;
  const OnOpen on_open_;
  const OnClose on_close_;
  WsQuestion question_;
  std::deque<Text> queue_;  // the front is being written
  std::size_t queued_bytes_ = 0;
  std::chrono::steady_clock::time_point write_began_{};
  bool is_open_ = false;
  bool is_closed_ = false;
};

}  // namespace ddt::api
