// api/http/message.hpp — a request and a response as the routes see them: values, no server behind.
//
// Units    Names of headers are lower case in a Request and as written in a Response. Path segments and
//          query parameters are URL-decoded, exactly once.
// Threads  Values; no sharing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ddt::api {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;                 // "GET", as sent
  std::string path;                   // as sent, without the query
  std::string query_string;           // as sent, without the '?'
  std::vector<std::string> segments;  // of the path, decoded: "/api/v1/x" → {"api", "v1", "x"}
  Pairs query;                        // decoded, in the order sent, repeats kept
  Pairs headers;                      // names in lower case
  bool keep_alive = true;

  // First header of that (lower case) name; several of one name are not joined.
  std::optional<std::string_view> header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  Pairs headers;

  void set(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
  }
  std::optional<std::string_view> header(std::string_view name) const;
};

// "Not Found" for 404; "Unknown" for a status we never send.
std::string_view reason_phrase(int status);

}  // namespace ddt::api
