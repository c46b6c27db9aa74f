// sidecar/model/json.hpp — JSON out and in. RapidJSON is included in json.cpp and nowhere else.
//
// Numbers   Decimals are written from exact integers and read as their text: no double on the way.
// Limits    Reading refuses nesting deeper than kJsonDepthMax and bytes that are not UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shm/base/decimal.hpp"

namespace ddt::model {

inline constexpr std::size_t kJsonDepthMax = 30;  // MariaDB's JSON_VALID ends at 32

// Writes one JSON value; commas are its business. Text that is not UTF-8 gets U+FFFD for each bad
// byte, so the output always parses.
//
//   JsonWriter json;
//   json.begin_object().key("pnl").decimal(12345,
//   2).key("reasons").begin_object().end_object().end_object(); std::move(json).take();   //
//   {"pnl":123.45,"reasons":{}}
class JsonWriter {
 public:
  explicit JsonWriter(std::size_t bytes_expected = 0) { out_.reserve(bytes_expected); }
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view text);
  JsonWriter& decimal(int128 value, int scale);         // number: 1234.56
  JsonWriter& decimal_text(int128 value, int scale);    // string: "1234.56"
  JsonWriter& e8(std::int64_t value_e8);                // number, or null for kNullE8
  JsonWriter& e8(std::optional<int128> value_e8);       // number, or null
  JsonWriter& e8_text(std::int64_t value_e8);           // string, or null for kNullE8
  JsonWriter& e8_text(std::optional<int128> value_e8);  // string, or null
  JsonWriter& integer(std::int64_t value);
  JsonWriter& unsigned_integer(std::uint64_t value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // a whole JSON value, as it stands

  const std::string& text() const& noexcept { return out_; }
  std::string take() && { return std::move(out_); }

 private:
  void separate();
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);

  std::string out_;
  bool needs_comma_ = false;
};

// JSON text of a string, quotes included.
std::string json_quoted(std::string_view text);

// An immutable JSON value.
class JsonValue {
 public:
  enum class Type : std::uint8_t { null, boolean, number, string, array, object };

  // nullopt unless the whole text is one JSON value within the limits.
  static std::optional<JsonValue> parse(std::string_view text);

  Type type() const noexcept { return type_; }
  bool is_null() const noexcept { return type_ == Type::null; }
  bool is_object() const noexcept { return type_ == Type::object; }
  bool is_array() const noexcept { return type_ == Type::array; }

  // Member of an object; nullptr when this is no object or has none. The last of equal names wins.
  const JsonValue* find(std::string_view name) const noexcept;
  const std::vector<std::pair<std::string, JsonValue>>& members() const noexcept {
    return members_;
  }
  const std::vector<JsonValue>& items() const noexcept { return items_; }

  std::optional<std::string_view> as_string() const noexcept;  // strings only
  std::optional<bool> as_bool() const noexcept;
  std::optional<std::int64_t> as_int()
      const noexcept;  // a number written without point or exponent
  std::optional<std::string_view> as_number_text() const noexcept;
  // A number or a string that holds a decimal ("1234.56"): live values carry decimals as strings.
  std::optional<std::int64_t> as_e8() const noexcept;

  // Member's value, or the fallback when it is absent or of another type.
  std::string string_or(std::string_view name, std::string_view fallback = {}) const;
  std::int64_t int_or(std::string_view name, std::int64_t fallback) const noexcept;
  std::int64_t e8_or(std::string_view name, std::int64_t fallback = kNullE8) const noexcept;

  std::string to_json() const;
  void write(JsonWriter& writer) const;

 private:
  friend class JsonBuilder;
  Type type_ = Type::null;
  bool boolean_ = false;
  std::string text_;  // of a string, or of a number as written
  std::vector<std::pair<std::string, JsonValue>> members_;
  std::vector<JsonValue> items_;
};

// One JSON object, valid UTF-8, within the depth limit, numbers within a double's range: what metadata
// must be for MySQL and MariaDB to store it.
bool is_json_object(std::string_view text);

}  // namespace ddt::model
