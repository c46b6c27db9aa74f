#include "api/parameters.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

constexpr std::int64_t kDaysMax = 365;
constexpr std::size_t kSymbolBytesMax = 32;
// Far enough from the ends of int64 that days and Windows can be added.
constexpr std::int64_t kTimeMinNs = -2'208'988'800 * model::kNsPerSecond;  // 1900-01-01
constexpr std::int64_t kTimeMaxNs = 7'258'118'400 * model::kNsPerSecond;   // 2200-01-01

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::int64_t ceil_to_us(std::int64_t time_ns) {
  return model::floor_to_us(time_ns + model::kNsPerUs - 1);
}

Range snapped(const Range& range, std::int64_t unit_ns) {
  Range wider = range;
  wider.from_ns = model::floor_div(range.from_ns, unit_ns) * unit_ns;
  wider.to_ns = model::floor_div(range.to_ns + unit_ns - 1, unit_ns) * unit_ns;
  return wider;
}

Range whole_windows(const Range& range, const std::optional<model::WindowType>& type) {
  if (!type || range.from_ns >= range.to_ns) return range;
  Range wider = range;
  wider.from_ns = model::window_containing(*type, range.from_ns).start_ns;
  wider.to_ns = model::window_containing(*type, range.to_ns - 1).end_ns;
  return wider;
}

std::optional<std::string> Parameters::value(std::string_view name) {
  known_.emplace(name);
  std::optional<std::string> found;
  for (const auto& [key, value] : request_.query) {
    if (key != name) continue;
    if (found && *found != value) {
      refuse(name, "given more than once");
      return found;
    }
    found = value;
  }
  return found;
}

void Parameters::refuse(std::string_view name, std::string reason) {
  bad_.push_back({std::string(name), std::move(reason)});
}

std::int32_t Parameters::profile_id(const PathValues& values) {
  const auto found = values.find("profile_id");
  const auto id =
      found == values.end() ? std::nullopt : parse_integer(std::string_view(found->second));
  if (!id || *id < 1 || *id > 2147483647) {
    refuse("profile_id", "must be an integer from 1 to 2147483647");
    return 0;
  }
  return static_cast<std::int32_t>(*id);
}

std::optional<std::int64_t> Parameters::time(std::string_view name) {
  std::optional<std::string> text = value(name);
  if (!text) return std::nullopt;
  // '+' of an offset arrives as a blank: "…T10:00:00 01:00".
  const std::size_t blank = text->rfind(' ');
  if (blank != std::string::npos && blank > 16) (*text)[blank] = '+';
  const auto time_ns = model::parse_time(*text);
  if (!time_ns) {
    refuse(name, "must be an RFC 3339 time or unix seconds");
  } else if (*time_ns < kTimeMinNs || *time_ns > kTimeMaxNs) {
    refuse(name, "must lie between 1900 and 2200");
    return std::nullopt;
  }
  return time_ns;
}

Range Parameters::range(int default_days, std::int64_t now_ns) {
  const auto from = time("from");
  const auto to = time("to");
  const bool has_from = from.has_value();
  const bool has_to = to.has_value();
  const bool has_days =
      std::any_of(request_.query.begin(), request_.query.end(),
                  [](const auto& parameter) { return parameter.first == "days"; });
  const std::int64_t days = integer("days", 1, kDaysMax, default_days);
  Range range;
  range.is_explicit = has_from || has_to || has_days;
  range.is_fixed = has_from && has_to;
  if (has_days && has_from && has_to) refuse("days", "not together with both from and to");
  const std::int64_t span_ns = days * model::kNsPerDay;
  if (has_from && has_days && !has_to) {
    range.from_ns = *from;
    range.to_ns = *from + span_ns;
  } else {
    range.to_ns = to.value_or(now_ns);
    range.from_ns = from.value_or(range.to_ns - span_ns);
  }
  if (range.from_ns > range.to_ns) refuse("from", "must not be after to");
  return range;
}

std::optional<std::string> Parameters::text(std::string_view name, std::size_t bytes_max) {
  auto text = value(name);
  if (!text) return std::nullopt;
  if (text->empty() || text->size() > bytes_max) {
    refuse(name, "must have 1 to " + std::to_string(bytes_max) + " bytes");
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> Parameters::symbol() {
  auto text = value("symbol");
  if (!text) return std::nullopt;
  const bool is_clean = std::all_of(text->begin(), text->end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("./_:-").find(c) != std::string_view::npos;
  });
  if (text->empty() || text->size() > kSymbolBytesMax || !is_clean) {
    refuse("symbol", "must be 1 to 32 of A-Z a-z 0-9 . / _ : -");
    return std::nullopt;
  }
  return text;
}

std::int64_t Parameters::integer(std::string_view name, std::int64_t least, std::int64_t greatest,
                                 std::int64_t otherwise) {
  const auto text = value(name);
  if (!text) return otherwise;
  const auto number = parse_integer(*text);
  if (!number || *number < least || *number > greatest) {
    refuse(name,
           "must be an integer from " + std::to_string(least) + " to " + std::to_string(greatest));
    return otherwise;
  }
  return *number;
}

std::optional<model::WindowType> Parameters::window() {
  const auto word = value("window");
  if (!word) return std::nullopt;
  const auto type = model::parse_window_type(*word);
  if (!type) refuse("window", "must be hour, day, week or month");
  return type;
}

std::optional<std::string> Parameters::one_of(std::string_view name,
                                              const std::vector<std::string>& words) {
  const auto word = value(name);
  if (!word || std::find(words.begin(), words.end(), *word) != words.end()) return word;
  std::string list;
  for (const std::string& known : words) list += (list.empty() ? "" : ", ") + known;
  refuse(name, "must be one of " + list);
  return std::nullopt;
}

std::optional<Response> Parameters::problems() const {
  if (bad_.empty()) return std::nullopt;
  return bad_parameters(bad_);
}

std::vector<std::string> Parameters::ignored() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : request_.query) {
    if (known_.contains(name)) continue;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

}  // namespace ddt::api
