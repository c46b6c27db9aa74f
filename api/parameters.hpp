// api/parameters.hpp — query parameters: read, checked, and every problem named at once.
//
// Usage     Parameters p(request); const Range range = p.range(7, now); …; if (auto bad = p.problems())
//           return *bad. What nobody asked for is ignored and named by ignored().
// Units     Times in nanoseconds since 1970 UTC; ranges are half-open [from, to).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/message.hpp"
#include "api/http/problem.hpp"
#include "api/router.hpp"
#include "sidecar/model/window.hpp"

namespace ddt::api {

struct Range {
  std::int64_t from_ns = 0, to_ns = 0;
  bool is_explicit =
      false;              // from, to or days was given: current_* fields come from inside the range
  bool is_fixed = false;  // both ends were given: the same question tomorrow
};

// Times are stored as floors of microseconds: t < x holds for both or neither of x and ceil(x).
std::int64_t ceil_to_us(std::int64_t time_ns);

// Outward to whole units.
Range snapped(const Range& range, std::int64_t unit_ns);

// The range and, where Windows were asked for, the whole of its first and last one.
Range whole_windows(const Range& range, const std::optional<model::WindowType>& type);

class Parameters {
 public:
  explicit Parameters(const Request& request) : request_(request) {}

  // 1 to 2147483647, otherwise a problem.
  std::int32_t profile_id(const PathValues& values);

  // `from`, `to`, `days`: without any of them the last default_days. `to` alone goes back default_days
  // from it. days beside both from and to is a problem.
  Range range(int default_days, std::int64_t now_ns);

  std::optional<std::string> text(std::string_view name, std::size_t bytes_max);
  std::optional<std::string> symbol();
  std::int64_t integer(std::string_view name, std::int64_t least, std::int64_t greatest,
                       std::int64_t otherwise);
  std::optional<model::WindowType> window();
  std::optional<std::string> one_of(std::string_view name, const std::vector<std::string>& words);

  void refuse(std::string_view name, std::string reason);
  std::optional<Response> problems() const;
  std::vector<std::string> ignored() const;

 private:
  // The parameter's value; several of one name are a problem.
  std::optional<std::string> value(std::string_view name);
  std::optional<std::int64_t> time(std::string_view name);

  const Request& request_;
  std::set<std::string, std::less<>> known_;
  std::vector<BadParameter> bad_;
};

// Digits only, with an optional '-': nullopt when it is none or does not fit.
std::optional<std::int64_t> parse_integer(std::string_view text);

}  // namespace ddt::api
