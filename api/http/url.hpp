// api/http/url.hpp — percent-encoding, path segments and query strings (RFC 3986, form '+' in queries).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/message.hpp"

namespace ddt::api {

// nullopt when a '%' is not followed by two hex digits or the text decodes to a NUL.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
std::string percent_encode(std::string_view text);  // all but unreserved characters

// "/a/b%2Fc/" → {"a", "b/c", ""}; nullopt when a segment cannot be decoded.
std::optional<std::vector<std::string>> path_segments(std::string_view path);
// "a=1&b&a=2" → {{a,1},{b,""},{a,2}}; nullopt when a part cannot be decoded.
std::optional<Pairs> query_parameters(std::string_view query);

}  // namespace ddt::api
