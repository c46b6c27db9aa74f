// api/http/http1.hpp — HTTP/1.1 on the wire: bytes → Request, Response → bytes (RFC 9112).
//
// Ours, because Pistache's own parser answers bad requests with exception texts, drops pipelined ones,
// decodes nothing and reserves whatever a chunk header asks for. Bodies mean nothing to this API: they are
// bounded, skipped, and chunked ones are refused with 411.
//
// Limits   kTargetBytesMax → 414, kHeadBytesMax → 431, kBodyBytesMax → 413.
// Threads  Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "api/http/message.hpp"

namespace ddt::api {

inline constexpr std::size_t kTargetBytesMax = 8 * 1024;
inline constexpr std::size_t kHeadBytesMax = 32 * 1024;
inline constexpr std::size_t kBodyBytesMax = 64 * 1024;
inline constexpr std::size_t kReplyBytesMax = 512 * 1024;

struct NeedMore {};
struct BadRequest {  // the connection is of no use afterwards: answer and close
  int status;
  std::string detail;
};
struct Parsed {
  Request request;
  std::size_t consumed;  // bytes of the input, body included
};

// Reads one request from the start of the input; whatever follows it stays for the next call.
std::variant<NeedMore, BadRequest, Parsed> parse_request(std::string_view input);

// Head and body as sent. HEAD gets the head of the GET; 204 and 304 have no body.
// date is an IMF-fixdate.
std::string serialize(const Response& response, bool head_only, bool keep_alive,
                      std::string_view date);
std::string imf_fixdate(long long unix_seconds);

}  // namespace ddt::api
