#include "api/http/http1.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <optional>

#include "api/http/url.hpp"

namespace ddt::api {
namespace {

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           kMarks.find(c) != std::string_view::npos;
  });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lowered(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

bool has_word(const Request& request, std::string_view name, std::string_view word) {
  for (const auto& [key, value] : request.headers) {
    if (key != name) continue;
    const std::string lower = lowered(value);
    std::string_view rest = lower;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      if (trimmed(rest.substr(0, comma)) == word) return true;
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
  }
  return false;
}

// nullopt when there is nothing wrong with the line.
std::optional<BadRequest> read_request_line(std::string_view line, Request& request) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return BadRequest{400, "the request line is not 'method target version'"};
  }
  const std::string_view method = line.substr(0, first);
  std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method)) return BadRequest{400, "the method is not a token"};
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    if (version.substr(0, 5) == "HTTP/") return BadRequest{505, "only HTTP/1.0 and HTTP/1.1"};
    return BadRequest{400, "the request line is not 'method target version'"};
  }
  request.keep_alive = version == "HTTP/1.1";
  if (target.size() > kTargetBytesMax) return BadRequest{414, "the target is too long"};
  const bool printable = std::all_of(target.begin(), target.end(), [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '\x7f';
  });
  if (!printable) return BadRequest{400, "the target has spaces or control characters"};
  request.method = method;
  if (target.substr(0, 7) == "http://") {  // absolute form, as sent to proxies
    const std::size_t slash = target.find('/', 7);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  if (target.empty() || (target.front() != '/' && target != "*")) {
    return BadRequest{400, "the target does not begin with '/'"};
  }
  target = target.substr(0, target.find('#'));
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string_view::npos) request.query_string = target.substr(question + 1);
  auto segments = path_segments(request.path);
  auto query = query_parameters(request.query_string);
  if (!segments || !query) return BadRequest{400, "the target is not valid percent-encoding"};
  request.segments = std::move(*segments);
  request.query = std::move(*query);
  return std::nullopt;
}

std::optional<BadRequest> read_header_line(std::string_view line, Request& request) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return BadRequest{400, "a header line is not 'name: value'"};
  }
  const std::string_view value = trimmed(line.substr(colon + 1));
  const bool clean = std::all_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' || c == '\t';
  });
  if (!clean) return BadRequest{400, "a header has control characters"};
  request.headers.emplace_back(lowered(line.substr(0, colon)), value);
  return std::nullopt;
}

// Bytes of body to skip, or why there can be none.
std::variant<std::size_t, BadRequest> body_length(const Request& request) {
  std::optional<std::string_view> length;
  for (const auto& [name, value] : request.headers) {
    if (name == "transfer-encoding") {
      return BadRequest{411, "send a Content-Length; transfer codings are not accepted"};
    }
    if (name != "content-length") continue;
    if (length && *length != value) return BadRequest{400, "two lengths of one body"};
    length = value;
  }
  if (!length) return std::size_t{0};
  std::size_t bytes = 0;
  const auto [end, error] = std::from_chars(length->data(), length->data() + length->size(), bytes);
  if (error == std::errc::result_out_of_range) return BadRequest{413, "the body is too large"};
  if (error != std::errc{} || end != length->data() + length->size()) {
    return BadRequest{400, "Content-Length is not a number"};
  }
  if (bytes > kBodyBytesMax) return BadRequest{413, "the body is too large"};
  return bytes;
}

std::variant<NeedMore, BadRequest, Parsed> incomplete(std::string_view input) {
  const std::size_t line_end = input.find("\r\n");
  if (line_end == std::string_view::npos && input.size() > kTargetBytesMax + 64) {
    return BadRequest{414, "the target is too long"};
  }
  if (input.size() > kHeadBytesMax) return BadRequest{431, "the headers are too long"};
  return NeedMore{};
}

}  // namespace

std::variant<NeedMore, BadRequest, Parsed> parse_request(std::string_view input) {
  std::size_t leading = 0;  // RFC 9112 2.2: empty lines before a request are ignored
  while (input.substr(leading, 2) == "\r\n") leading += 2;
  const std::string_view text = input.substr(leading);
  const std::size_t head_end = text.find("\r\n\r\n");
  if (head_end == std::string_view::npos) return incomplete(text);
  const std::string_view head = text.substr(0, head_end + 2);  // every line with its CRLF
  if (head.size() > kHeadBytesMax) return BadRequest{431, "the headers are too long"};

  Parsed parsed;
  Request& request = parsed.request;
  std::size_t at = head.find("\r\n");
  if (auto bad = read_request_line(head.substr(0, at), request)) return *bad;
  const bool http10 = !request.keep_alive;
  for (at += 2; at < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    if (auto bad = read_header_line(head.substr(at, end - at), request)) return *bad;
    at = end + 2;
  }
  if (!http10 && !request.header("host")) return BadRequest{400, "the Host header is missing"};
  if (has_word(request, "connection", "close")) request.keep_alive = false;
  if (http10 && has_word(request, "connection", "keep-alive")) request.keep_alive = true;

  const auto length = body_length(request);
  if (const auto* bad = std::get_if<BadRequest>(&length)) return *bad;
  std::size_t body = std::get<std::size_t>(length);
  if (body > 0 && has_word(request, "expect", "100-continue")) {
    body = 0;  // we answer without wanting the body; what may still come is not a request
    request.keep_alive = false;
  }
  parsed.consumed = leading + head_end + 4 + body;
  if (input.size() < parsed.consumed) return NeedMore{};
  return parsed;
}

std::string imf_fixdate(long long unix_seconds) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto time = static_cast<std::time_t>(unix_seconds);
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[utc.tm_wday],
                utc.tm_mday, kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  return text;
}

std::string serialize(const Response& response, bool head_only, bool keep_alive,
                      std::string_view date) {
  const bool bodiless = response.status == 204 || response.status == 304;
  std::string wire;
  wire.reserve(512 + (head_only ? 0 : response.body.size()));
  const auto header = [&wire](std::string_view name, std::string_view value) {
    wire.append(name).append(": ").append(value).append("\r\n");
  };
  wire.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  wire.append(reason_phrase(response.status)).append("\r\n");
  header("Date", date);
  if (!bodiless) {
    header("Content-Type", response.content_type);
    header("Content-Length", std::to_string(response.body.size()));
  }
  for (const auto& [name, value] : response.headers) header(name, value);
  header("Connection", keep_alive ? "keep-alive" : "close");
  wire.append("\r\n");
  if (!bodiless && !head_only) wire.append(response.body);
  return wire;
}

}  // namespace ddt::api
