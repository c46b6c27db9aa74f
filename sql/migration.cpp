#include "sql/migration.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "sql/sha256.hpp"

namespace ddt::sql {
namespace {

constexpr std::string_view kBinaryTag = "-- binary: ";
constexpr std::string_view kStepTag = "-- step: ";
constexpr std::string_view kUnlessTag = "-- unless: ";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  return line;
}

std::string_view next_word(std::string_view& text) {
  const std::size_t end = text.find(' ');
  const std::string_view word = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : trimmed(text.substr(end + 1));
  return word;
}

std::optional<Condition> parse_condition(std::string_view text) {
  text = trimmed(text);
  const std::string_view thing = next_word(text);
  const std::string_view name = next_word(text);
  const std::size_t dot = name.find('.');
  Condition condition;
  condition.table = name.substr(0, dot);
  if (dot != std::string_view::npos) condition.part = name.substr(dot + 1);
  if (condition.table.empty() || (thing == "table") != condition.part.empty()) return std::nullopt;
  if (thing == "table" && text == "exists") {
    condition.kind = ConditionKind::table_exists;
  } else if (thing == "index" && text == "exists") {
    condition.kind = ConditionKind::index_exists;
  } else if (thing == "column" && text == "exists") {
    condition.kind = ConditionKind::column_exists;
  } else if (thing == "column" && text == "updates itself") {
    condition.kind = ConditionKind::column_updates_itself;
  } else if (thing == "column" && text.starts_with("is ")) {
    condition.kind = ConditionKind::column_is;
    condition.expected = trimmed(text.substr(3));
    if (!condition.expected.ends_with(" null"))
      return std::nullopt;  // "null" or "not null" is part of it
  } else {
    return std::nullopt;
  }
  return condition;
}

std::optional<std::array<unsigned, 3>> parse_version(std::string_view text) noexcept {
  std::array<unsigned, 3> version{};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (std::size_t i = 0; i < version.size(); ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
    const auto [next, error] = std::from_chars(at, end, version[i]);
    if (error != std::errc{}) return std::nullopt;
    at = next;
  }
  if (at != end) return std::nullopt;
  return version;
}

Error problem(std::string_view name, std::string_view what) {
  return {.message = "migration " + std::string(name) + ": " + std::string(what)};
}

// The statement ends with its semicolon; there is exactly one.
std::optional<Error> finish(std::string_view name, Migration& migration) {
  if (migration.steps.empty()) return std::nullopt;
  Step& step = migration.steps.back();
  std::string_view statement = trimmed(step.statement);
  if (step.done_when.empty()) return problem(name, "no condition for step: " + step.what);
  if (statement.empty() || statement.find(';') != statement.size() - 1)
    return problem(name, "not exactly one statement in step: " + step.what);
  statement.remove_suffix(1);
  step.statement = std::string(statement);
  return std::nullopt;
}

}  // namespace

Result<Migration> parse_migration(std::string_view name, std::string_view text) {
  Migration migration;
  migration.name = name;
  migration.checksum = sha256_hex(text);
  const auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), migration.version);
  if (error != std::errc{} || end != name.data() + 4 || name.size() < 6 || *end != '_' ||
      migration.version == 0)
    return problem(name, "the name must be NNNN_what");

  while (!text.empty()) {
    const std::string_view line = next_line(text);
    if (line.starts_with(kBinaryTag)) {
      migration.min_binary = trimmed(line.substr(kBinaryTag.size()));
    } else if (line.starts_with(kStepTag)) {
      if (auto wrong = finish(name, migration)) return *std::move(wrong);
      migration.steps.emplace_back().what = trimmed(line.substr(kStepTag.size()));
    } else if (line.starts_with(kUnlessTag)) {
      auto condition = parse_condition(line.substr(kUnlessTag.size()));
      if (!condition || migration.steps.empty())
        return problem(name, "cannot read: " + std::string(line));
      migration.steps.back().done_when.push_back(*std::move(condition));
    } else if (!trimmed(line).starts_with("--") && !trimmed(line).empty()) {
      if (migration.steps.empty()) return problem(name, "a statement before the first step");
      migration.steps.back().statement.append(line).append("\n");
    }
  }
  if (auto wrong = finish(name, migration)) return *std::move(wrong);
  if (migration.steps.empty()) return problem(name, "no steps");
  if (!parse_version(migration.min_binary)) return problem(name, "no line '-- binary: X.Y.Z'");
  return migration;
}

bool is_newer_version(std::string_view left, std::string_view right) noexcept {
  const auto left_version = parse_version(left);
  const auto right_version = parse_version(right);
  if (!left_version || !right_version) return !left_version && right_version;
  return *left_version > *right_version;
}

std::string plain_type(std::string_view column_type) {
  std::string type(column_type);
  const std::size_t open = type.find('(');
  if (open == std::string::npos) return type;
  const std::string_view base = std::string_view(type).substr(0, open);
  constexpr std::array<std::string_view, 6> kIntegers{"tinyint", "smallint", "mediumint",
                                                      "int",     "bigint",   "year"};
  if (std::find(kIntegers.begin(), kIntegers.end(), base) != kIntegers.end())
    type.erase(open, type.find(')', open) - open + 1);
  return type;
}

}  // namespace ddt::sql
