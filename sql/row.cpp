#include <charconv>

#include "shm/base/check.hpp"
#include "sql/client.hpp"

namespace ddt::sql {
namespace {

template <typename Integer>
Integer whole_number(std::string_view text) {
  Integer number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  DDT_CHECK(error == std::errc{} && end == text.data() + text.size());
  return number;
}

}  // namespace

bool Row::is_null(std::size_t column) const {
  DDT_CHECK(column < cells_.size());
  return cells_[column].is_null;
}

std::string_view Row::text(std::size_t column) const {
  DDT_CHECK(!is_null(column));
  return std::string_view(bytes_).substr(cells_[column].offset, cells_[column].length);
}

std::int64_t Row::integer(std::size_t column) const {
  return whole_number<std::int64_t>(text(column));
}

std::uint64_t Row::unsigned_integer(std::size_t column) const {
  return whole_number<std::uint64_t>(text(column));
}

std::optional<std::string_view> Row::optional_text(std::size_t column) const {
  if (is_null(column)) return std::nullopt;
  return text(column);
}

std::optional<std::int64_t> Row::optional_integer(std::size_t column) const {
  if (is_null(column)) return std::nullopt;
  return integer(column);
}

void Row::append_null() {
  cells_.push_back({.offset = bytes_.size(), .length = 0, .is_null = true});
}

void Row::append(std::string_view bytes) {
  cells_.push_back({.offset = bytes_.size(), .length = bytes.size(), .is_null = false});
  bytes_.append(bytes);
}

}  // namespace ddt::sql
