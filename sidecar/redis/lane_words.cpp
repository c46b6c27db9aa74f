#include "sidecar/redis/lane_words.hpp"

#include <charconv>
#include <string_view>

#include "sidecar/redis/keys.hpp"

namespace ddt::redis {
namespace {

constexpr std::string_view kAtField = "at";
constexpr std::string_view kSegmentPrefix = "seg-";

// Takes a number and the character behind it off the front; nullopt when they are not there.
std::optional<std::uint64_t> take_number(std::string_view& text, char end_with) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (end_with == '\0') return number;
  if (text.empty() || text.front() != end_with) return std::nullopt;
  text.remove_prefix(1);
  return number;
}

std::map<std::string, std::string> fields_of(const LaneWords& words) {
  std::map<std::string, std::string> fields;
  for (const auto& [lane, word] : words.lanes) fields[lane_field(lane)] = to_text(word);
  for (const auto& [segment, reason] : words.refused_segments) {
    if (segment.starts_with(kSegmentPrefix)) fields[segment] = reason.substr(0, kReasonBytesMax);
  }
  return fields;
}

}  // namespace

std::string to_text(const LaneWord& word) {
  std::string text = std::to_string(word.drained) + ":" + std::to_string(word.acknowledged) + ":" +
                     std::to_string(word.committed);
  if (!word.quarantine_reason.empty())
    text.append(" ").append(word.quarantine_reason, 0, kReasonBytesMax);
  return text;
}

std::optional<LaneWord> lane_word_of(std::string_view text) {
  const auto drained = take_number(text, ':');
  const auto acknowledged = drained ? take_number(text, ':') : std::nullopt;
  const auto committed = acknowledged ? take_number(text, '\0') : std::nullopt;
  if (!committed || (!text.empty() && text.front() != ' ')) return std::nullopt;
  return LaneWord{.drained = *drained,
                  .acknowledged = *acknowledged,
                  .committed = *committed,
                  .quarantine_reason = std::string(text.empty() ? text : text.substr(1))};
}

std::optional<LaneWords> lane_words_of(const std::vector<Reply>& hash) {
  LaneWords words;
  bool has_time = false;
  for (std::size_t i = 0; i + 1 < hash.size(); i += 2) {
    const std::string& field = hash[i].text;
    std::string_view value = hash[i + 1].text;
    if (field == kAtField) {
      const auto at = take_number(value, '\0');
      has_time = at && value.empty() && *at <= static_cast<std::uint64_t>(INT64_MAX);
      if (has_time) words.at_ns = static_cast<std::int64_t>(*at);
    } else if (field.starts_with(kSegmentPrefix)) {
      words.refused_segments[field] = value;
    } else if (const auto lane = lane_of_field(field)) {
      if (auto word = lane_word_of(value)) words.lanes[*lane] = std::move(*word);
    }
  }
  if (!has_time) return std::nullopt;
  return words;
}

std::vector<Command> LaneBoard::commands_for(const LaneWords& now) {
  constexpr std::size_t kFieldsPerCommandMax = 1'000;
  std::map<std::string, std::string> fields = fields_of(now);
  std::vector<Command> commands{{"EXPIRE", key_, std::to_string(kStatusTtlS)}};
  if (is_fresh()) commands.push_back({"DEL", key_});
  Command gone{"HDEL", key_},
      changed{"HSET", key_, std::string(kAtField), std::to_string(now.at_ns)};
  for (const auto& [field, text] : said_) {
    if (field != kAtField && !fields.contains(field)) gone.push_back(field);
  }
  for (const auto& [field, text] : fields) {
    const auto said = said_.find(field);
    if (said != said_.end() && said->second == text) continue;
    changed.push_back(field);
    changed.push_back(text);
    if (changed.size() >= 2 * kFieldsPerCommandMax)
      commands.push_back(std::exchange(changed, Command{"HSET", key_}));
  }
  if (changed.size() > 2) commands.push_back(std::move(changed));
  if (gone.size() > 2) commands.push_back(std::move(gone));
  if (is_fresh()) commands.push_back({"EXPIRE", key_, std::to_string(kStatusTtlS)});
  said_ = std::move(fields);
  said_.emplace(kAtField, "");
  return commands;
}

}  // namespace ddt::redis
