// sidecar/top/fields.hpp — an Event as names and values, in the order of its Record's page
// (docs/formats/segment.md). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/model/event.hpp"
#include "sidecar/model/json.hpp"

namespace ddt::top {

struct Field {
  enum class Kind : std::uint8_t { text, decimal, integer, time };
  std::string_view name;
  Kind kind;
  bool is_said = true;
  std::string text = {};
  std::int64_t number = 0;  // an e8, a whole number, or wall nanoseconds
};

std::string_view kind_of(const model::Event& event);
std::vector<Field> fields_of(const model::Event& event);  // without what every Event carries

// "name=value …" of what was said, escaped for a terminal.
std::string readable(const std::vector<Field>& fields);
// Members of an object: decimals as strings, what was not said as null.
void write_members(model::JsonWriter& json, const std::vector<Field>& fields);

}  // namespace ddt::top
