#include "sidecar/model/json.hpp"

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace ddt::model {
namespace {

// Length of the UTF-8 sequence at the front, 0 when it is none (overlong and surrogates are none).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [text](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto follows = [byte](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) > 0x9F;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool overlong = lead == 0xF0 && byte(1) < 0x90;
    const bool beyond = lead == 0xF4 && byte(1) > 0x8F;
    return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

void append_escaped_ascii(char c, std::string& out) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<unsigned char>(c) >= 0x20) {
    out.push_back(c);
    return;
  }
  std::array<char, 8> escape{};
  std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
  out += escape.data();
}

constexpr bool stands_for_itself(char byte) noexcept {
  return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
}

void append_quoted(std::string_view text, std::string& out) {
  out.push_back('"');
  while (!text.empty()) {
    const auto run =
        static_cast<std::size_t>(std::ranges::find_if_not(text, stands_for_itself) - text.begin());
    out.append(text.substr(0, run));
    text.remove_prefix(run);
    if (text.empty()) break;
    const std::size_t length = utf8_length(text);
    if (length == 1) {
      append_escaped_ascii(text.front(), out);
    } else if (length == 0) {
      out += "\xEF\xBF\xBD";  // U+FFFD
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out.push_back('"');
}

// The reader takes a NUL for the end and skips a byte order mark; MySQL takes neither.
bool is_plain_text(std::string_view text) {
  return text.find('\0') == std::string_view::npos && !text.starts_with("\xEF\xBB\xBF");
}

// Builds nothing. Numbers are parsed, because MySQL refuses those beyond a double.
class ObjectCheck {
 public:
  bool Null() { return value(); }
  bool Bool(bool) { return value(); }
  bool Int(int) { return value(); }
  bool Uint(unsigned) { return value(); }
  bool Int64(std::int64_t) { return value(); }
  bool Uint64(std::uint64_t) { return value(); }
  bool Double(double) { return value(); }
  bool RawNumber(const char*, rapidjson::SizeType, bool) { return value(); }
  bool String(const char*, rapidjson::SizeType, bool) { return value(); }
  bool Key(const char*, rapidjson::SizeType, bool) { return true; }
  bool StartObject() {
    is_object_ = is_object_ || depth_ == 0;
    return ++depth_ <= kJsonDepthMax;
  }
  bool EndObject(rapidjson::SizeType) { return --depth_, true; }
  bool StartArray() { return value() && ++depth_ <= kJsonDepthMax; }
  bool EndArray(rapidjson::SizeType) { return --depth_, true; }

  bool is_object() const { return is_object_; }

 private:
  bool value() const { return depth_ > 0; }  // at the top only an object will do

  std::size_t depth_ = 0;
  bool is_object_ = false;
};

}  // namespace

void JsonWriter::separate() {
  if (needs_comma_) out_.push_back(',');
  needs_comma_ = true;
}

JsonWriter& JsonWriter::begin_object() { return open('{'); }
JsonWriter& JsonWriter::end_object() { return close('}'); }
JsonWriter& JsonWriter::begin_array() { return open('['); }
JsonWriter& JsonWriter::end_array() { return close(']'); }

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_.push_back(bracket);
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_.push_back(bracket);
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_quoted(name, out_);
  out_.push_back(':');
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  separate();
  append_quoted(text, out_);
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_.append(json);
  return *this;
}

JsonWriter& JsonWriter::decimal(int128 value, int scale) {
  return raw(ddt::decimal_string(value, scale));
}
JsonWriter& JsonWriter::decimal_text(int128 value, int scale) {
  separate();
  ((out_ += '"') += ddt::decimal_string(value, scale)) += '"';
  return *this;
}
JsonWriter& JsonWriter::e8(std::int64_t value_e8) {
  return is_null(value_e8) ? null() : decimal(value_e8, 8);
}
JsonWriter& JsonWriter::e8(std::optional<int128> value_e8) {
  return value_e8 ? decimal(*value_e8, 8) : null();
}
JsonWriter& JsonWriter::e8_text(std::int64_t value_e8) {
  return is_null(value_e8) ? null() : decimal_text(value_e8, 8);
}
JsonWriter& JsonWriter::e8_text(std::optional<int128> value_e8) {
  return value_e8 ? decimal_text(*value_e8, 8) : null();
}
JsonWriter& JsonWriter::integer(std::int64_t value) { return raw(std::to_string(value)); }
JsonWriter& JsonWriter::unsigned_integer(std::uint64_t value) { return raw(std::to_string(value)); }
JsonWriter& JsonWriter::boolean(bool value) { return raw(value ? "true" : "false"); }
JsonWriter& JsonWriter::null() { return raw("null"); }

std::string json_quoted(std::string_view text) {
  std::string out;
  append_quoted(text, out);
  return out;
}

// Builds the tree from RapidJSON's events. The reader descends by calling itself, so the depth limit here
// bounds its stack as well.
class JsonBuilder {
 public:
  bool Null() { return put({}); }
  bool Bool(bool value) {
    JsonValue json;
    json.type_ = JsonValue::Type::boolean;
    json.boolean_ = value;
    return put(std::move(json));
  }
  // Never called: numbers come as their text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  bool RawNumber(const char* text, rapidjson::SizeType length, bool) {
    return put_text(JsonValue::Type::number, {text, length});
  }
  bool String(const char* text, rapidjson::SizeType length, bool) {
    return put_text(JsonValue::Type::string, {text, length});
  }
  bool StartObject() { return open(JsonValue::Type::object); }
  bool Key(const char* text, rapidjson::SizeType length, bool) {
    open_.back().key.assign(text, length);
    return true;
  }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool StartArray() { return open(JsonValue::Type::array); }
  bool EndArray(rapidjson::SizeType) { return close(); }

  JsonValue take() { return std::move(root_); }

 private:
  struct Level {
    JsonValue value;
    std::string key;  // of the member to come
  };

  bool put_text(JsonValue::Type type, std::string_view text) {
    JsonValue json;
    json.type_ = type;
    json.text_ = text;
    return put(std::move(json));
  }
  bool put(JsonValue json) {
    if (open_.empty()) {
      root_ = std::move(json);
    } else if (open_.back().value.type_ == JsonValue::Type::object) {
      open_.back().value.members_.emplace_back(std::move(open_.back().key), std::move(json));
    } else {
      open_.back().value.items_.push_back(std::move(json));
    }
    return true;
  }
  bool open(JsonValue::Type type) {
    if (open_.size() == kJsonDepthMax) return false;
    open_.emplace_back().value.type_ = type;
    return true;
  }
  bool close() {
    JsonValue json = std::move(open_.back().value);
    open_.pop_back();
    return put(std::move(json));
  }

  std::vector<Level> open_;
  JsonValue root_;
};

std::optional<JsonValue> JsonValue::parse(std::string_view text) {
  constexpr unsigned kFlags =
      rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseValidateEncodingFlag;
  if (!is_plain_text(text)) return std::nullopt;
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  rapidjson::Reader reader;
  JsonBuilder builder;
  if (!reader.Parse<kFlags>(stream, builder)) return std::nullopt;
  return builder.take();
}

const JsonValue* JsonValue::find(std::string_view name) const noexcept {
  for (auto member = members_.rbegin(); member != members_.rend(); ++member) {
    if (member->first == name) return &member->second;
  }
  return nullptr;
}

std::optional<std::string_view> JsonValue::as_string() const noexcept {
  if (type_ != Type::string) return std::nullopt;
  return text_;
}

std::optional<bool> JsonValue::as_bool() const noexcept {
  if (type_ != Type::boolean) return std::nullopt;
  return boolean_;
}

std::optional<std::string_view> JsonValue::as_number_text() const noexcept {
  if (type_ != Type::number) return std::nullopt;
  return text_;
}

std::optional<std::int64_t> JsonValue::as_int() const noexcept {
  if (type_ != Type::number) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (error != std::errc{} || end != text_.data() + text_.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> JsonValue::as_e8() const noexcept {
  if (type_ != Type::number && type_ != Type::string) return std::nullopt;
  return e8_from_string(text_);
}

std::string JsonValue::string_or(std::string_view name, std::string_view fallback) const {
  const JsonValue* member = find(name);
  return std::string(member ? member->as_string().value_or(fallback) : fallback);
}

std::int64_t JsonValue::int_or(std::string_view name, std::int64_t fallback) const noexcept {
  const JsonValue* member = find(name);
  return member ? member->as_int().value_or(fallback) : fallback;
}

std::int64_t JsonValue::e8_or(std::string_view name, std::int64_t fallback) const noexcept {
  const JsonValue* member = find(name);
  return member ? member->as_e8().value_or(fallback) : fallback;
}

void JsonValue::write(JsonWriter& writer) const {
  switch (type_) {
    case Type::null:
      writer.null();
      return;
    case Type::boolean:
      writer.boolean(boolean_);
      return;
    case Type::number:
      writer.raw(text_);
      return;
    case Type::string:
      writer.string(text_);
      return;
    case Type::array:
      writer.begin_array();
      for (const JsonValue& item : items_) item.write(writer);
      writer.end_array();
      return;
    case Type::object:
      writer.begin_object();
      for (const auto& [name, value] : members_) value.write(writer.key(name));
      writer.end_object();
      return;
  }
}

std::string JsonValue::to_json() const {
  JsonWriter writer;
  write(writer);
  return std::move(writer).take();
}

bool is_json_object(std::string_view text) {
  if (!is_plain_text(text)) return false;
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  rapidjson::Reader reader;
  ObjectCheck check;
  return reader.Parse<rapidjson::kParseValidateEncodingFlag>(stream, check) && check.is_object();
}

}  // namespace ddt::model
