// api/http/json.hpp — a JSON value to be written: members keep their order, numbers keep their digits.
//
// Numbers are written from exact decimals (shm/base/decimal.hpp) or as text that is a JSON number
// already; no double is involved.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "shm/base/decimal.hpp"

namespace ddt::api {

class Json {
 public:
  using Member = std::pair<std::string, Json>;

  Json() = default;                                                  // null
  Json(bool value) : value_(value) {}                                // NOLINT: implicit, so that
  Json(const char* text) : value_(std::string(text)) {}              // NOLINT  members read well
  Json(std::string text) : value_(std::move(text)) {}                // NOLINT
  Json(std::string_view text) : value_(std::string(text)) {}         // NOLINT
  Json(std::int32_t value) : value_(Raw{std::to_string(value)}) {}   // NOLINT
  Json(std::int64_t value) : value_(Raw{std::to_string(value)}) {}   // NOLINT
  Json(std::uint64_t value) : value_(Raw{std::to_string(value)}) {}  // NOLINT

  static Json object() { return Json(Members{}); }
  static Json array() { return Json(Items{}); }
  // JSON text as it is: a number's digits, or an object that was checked before.
  static Json raw(std::string_view json) { return Json(Raw{std::string(json)}); }
  static Json decimal(int128 value, int scale) { return Json(Raw{decimal_string(value, scale)}); }

  // Of an object. set() replaces a member of that name.
  Json& set(std::string_view name, Json value);
  const Json* find(std::string_view name) const;
  bool is_empty() const;  // an object or array without anything in it

  // Of an array.
  void push_back(Json value);
  std::size_t size() const;

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }

  std::string dump() const;
  void append_to(std::string& out) const;

 private:
  struct Raw {
    std::string text;
  };
  using Members = std::vector<Member>;
  using Items = std::vector<Json>;
  explicit Json(Raw raw) : value_(std::move(raw)) {}
  explicit Json(Members members) : value_(std::move(members)) {}
  explicit Json(Items items) : value_(std::move(items)) {}

  std::variant<std::monostate, bool, Raw, std::string, Members, Items> value_;
};

}  // namespace ddt::api
