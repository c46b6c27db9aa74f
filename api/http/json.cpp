#include "api/http/json.hpp"

#include "shm/base/check.hpp"
#include "sidecar/model/json.hpp"

namespace ddt::api {

Json& Json::set(std::string_view name, Json value) {
  auto* members = std::get_if<Members>(&value_);
  DDT_CHECK(members != nullptr);
  for (Member& member : *members) {
    if (member.first == name) {
      member.second = std::move(value);
      return *this;
    }
  }
  members->emplace_back(std::string(name), std::move(value));
  return *this;
}

const Json* Json::find(std::string_view name) const {
  if (const auto* members = std::get_if<Members>(&value_)) {
    for (const Member& member : *members) {
      if (member.first == name) return &member.second;
    }
  }
  return nullptr;
}

bool Json::is_empty() const {
  if (const auto* members = std::get_if<Members>(&value_)) return members->empty();
  if (const auto* items = std::get_if<Items>(&value_)) return items->empty();
  return false;
}

void Json::push_back(Json value) {
  auto* items = std::get_if<Items>(&value_);
  DDT_CHECK(items != nullptr);
  items->push_back(std::move(value));
}

std::size_t Json::size() const {
  const auto* items = std::get_if<Items>(&value_);
  return items == nullptr ? 0 : items->size();
}

std::string Json::dump() const {
  std::string out;
  append_to(out);
  return out;
}

void Json::append_to(std::string& out) const {
  if (is_null()) {
    out.append("null");
  } else if (const auto* flag = std::get_if<bool>(&value_)) {
    out.append(*flag ? "true" : "false");
  } else if (const auto* raw = std::get_if<Raw>(&value_)) {
    out.append(raw->text);
  } else if (const auto* text = std::get_if<std::string>(&value_)) {
    out.append(model::json_quoted(*text));
  } else if (const auto* members = std::get_if<Members>(&value_)) {
    char separator = '{';
    for (const auto& [name, value] : *members) {
      out.push_back(separator);
      out.append(model::json_quoted(name));
      out.push_back(':');
      value.append_to(out);
      separator = ',';
    }
    out.append(members->empty() ? "{}" : "}");
  } else {
    const Items& items = std::get<Items>(value_);
    char separator = '[';
    for (const Json& item : items) {
      out.push_back(separator);
      item.append_to(out);
      separator = ',';
    }
    out.append(items.empty() ? "[]" : "]");
  }
}

}  // namespace ddt::api
