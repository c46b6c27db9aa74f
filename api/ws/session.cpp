#include "api/ws/session.hpp"

#include <cctype>

#include "api/http/url.hpp"

namespace ddt::api {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;

namespace {

constexpr std::chrono::seconds kHandshakeTime{10};
constexpr std::chrono::seconds kIdle{30};  // half of it without a word: a ping
constexpr std::size_t kHeaderBytesMax = 8 * 1024;
constexpr std::size_t kClientMessageBytesMax = 4 * 1024;
constexpr int kSendBufferBytes = 256 * 1024;

// Beast's request as ours; segments stay empty when the target cannot be decoded.
Request request_of(const http::request<http::empty_body>& from) {
  Request request;
  request.method = std::string(from.method_string());
  const std::string target(from.target());
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string::npos) request.query_string = target.substr(question + 1);
  if (auto segments = path_segments(request.path)) request.segments = std::move(*segments);
  if (auto query = query_parameters(request.query_string)) request.query = std::move(*query);
  for (const auto& field : from) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    request.headers.emplace_back(std::move(name), std::string(field.value()));
  }
  return request;
}

}  // namespace

Session::Session(boost::asio::ip::tcp::socket socket, std::uint64_t ticket, Judge judge,
                 OnOpen on_open, OnClose on_close)
    : stream_(std::move(socket)),
      ticket_(ticket),
      judge_(std::move(judge)),
      on_open_(std::move(on_open)),
      on_close_(std::move(on_close)) {}

void Session::run() {
  Error ignored;
  auto& socket = beast::get_lowest_layer(stream_).socket();
  // What the kernel holds unsent is not in our queue: keep it small, so that the limits mean something.
  socket.set_option(boost::asio::socket_base::send_buffer_size(kSendBufferBytes), ignored);
  socket.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  beast::get_lowest_layer(stream_).expires_after(kHandshakeTime);
  parser_.emplace();
  parser_->header_limit(kHeaderBytesMax);
  parser_->body_limit(std::uint64_t{0});
  http::async_read(
      stream_.next_layer(), buffer_, *parser_,
      [self = shared_from_this()](Error error, std::size_t) { self->on_request(error); });
}

void Session::on_request(Error error) {
  if (error) {
    close();
    return;
  }
  auto judged = judge_(request_of(parser_->get()));
  if (const auto* response = std::get_if<Response>(&judged)) {
    refuse(*response);
    return;
  }
  if (!websocket::is_upgrade(parser_->get())) {
    Response response{
        .status = 426, .content_type = "text/plain", .body = "WebSocket only\n", .headers = {}};
    response.set("Upgrade", "websocket");
    refuse(response);
    return;
  }
  question_ = std::get<WsQuestion>(judged);
  beast::get_lowest_layer(stream_).expires_never();  // from here websocket's own timeouts
  stream_.set_option(websocket::stream_base::timeout{
      .handshake_timeout = kHandshakeTime, .idle_timeout = kIdle, .keep_alive_pings = true});
  stream_.read_message_max(kClientMessageBytesMax);
  stream_.text(true);
  stream_.auto_fragment(false);  // one frame a message, for clients of a few lines
  stream_.async_accept(parser_->get(),
                       [self = shared_from_this()](Error e) { self->on_accept(e); });
}

void Session::refuse(const Response& response) {
  refusal_.version(11);
  refusal_.result(static_cast<unsigned>(response.status));
  refusal_.set(http::field::content_type, response.content_type);
  refusal_.set(http::field::connection, "close");
  for (const auto& [name, value] : response.headers) refusal_.set(name, value);
  refusal_.body() = response.body;
  refusal_.prepare_payload();
  http::async_write(stream_.next_layer(), refusal_,
                    [self = shared_from_this()](Error, std::size_t) { self->close(); });
}

void Session::on_accept(Error error) {
  if (error) {
    close();
    return;
  }
  is_open_ = true;
  parser_.reset();
  buffer_.consume(buffer_.size());
  on_open_(shared_from_this());
  read();
}

// What a client says means nothing; reading answers its pings and notices its end.
void Session::read() {
  stream_.async_read(buffer_, [self = shared_from_this()](Error error, std::size_t) {
    if (error) {
      self->close();
      return;
    }
    self->buffer_.consume(self->buffer_.size());
    self->read();
  });
}

void Session::send(const Text& text) {
  if (is_closed_ || !is_open_) return;
  if (queued_bytes_ + text->size() > kQueuedBytesMax) {
    close();
    return;
  }
  queued_bytes_ += text->size();
  queue_.push_back(text);
  if (queue_.size() == 1) write();
}

void Session::write() {
  write_began_ = std::chrono::steady_clock::now();
  stream_.async_write(
      boost::asio::buffer(*queue_.front()),
      [self = shared_from_this()](Error error, std::size_t) { self->on_write(error); });
}

void Session::on_write(Error error) {
  if (error || is_closed_) {
    close();
    return;
  }
  queued_bytes_ -= queue_.front()->size();
  queue_.pop_front();
  if (!queue_.empty()) write();
}

void Session::close_if_stalled(std::chrono::steady_clock::time_point now) {
  if (!queue_.empty() && now - write_began_ > kStall) close();
}

void Session::close() {
  if (is_closed_) return;
  is_closed_ = true;
  Error ignored;
  beast::get_lowest_layer(stream_).socket().close(ignored);
  on_close_(*this);
}

}  // namespace ddt::api
