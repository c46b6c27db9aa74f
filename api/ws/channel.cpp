#include "api/ws/channel.hpp"

#include <algorithm>
#include <utility>

#include "sidecar/model/json.hpp"
#include "sidecar/model/time.hpp"

namespace ddt::api {
namespace {

bool is_gauge(std::string_view kind) {
  return kind == "equity" || kind == "position" || kind == "health" || kind == "rate_limit";
}

// "ts" of a message as it stands in its text.
std::string_view time_in(std::string_view text) {
  constexpr std::string_view kName = "\"ts\":\"";
  const std::size_t at = text.find(kName);
  if (at == std::string_view::npos) return "";
  const std::size_t begin = at + kName.size();
  return text.substr(begin, text.find('"', begin) - begin);
}

std::string batch_of(const std::vector<std::string_view>& texts, std::int64_t last_seq) {
  if (texts.size() == 1) return std::string(texts.front());
  std::string text = "{\"type\":\"update\",\"seq\":" + std::to_string(last_seq) + ",\"ts\":\"";
  text.append(time_in(texts.back())).append("\",\"data\":{\"kind\":\"batch\",\"updates\":[");
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) text.push_back(',');
    text.append(texts[i]);
  }
  return text + "]}}";
}

}  // namespace

std::optional<Update> parse_update(std::int32_t profile_id, std::string text) {
  const auto json = model::JsonValue::parse(text);
  if (!json || json->string_or("type") != "update") return std::nullopt;
  const auto* data = json->find("data");
  const std::int64_t seq = json->int_or("seq", -1);
  if (data == nullptr || !data->is_object() || seq < 0) return std::nullopt;
  Update update{.profile_id = profile_id, .seq = seq, .gauge = {}, .text = {}};
  const std::string kind = data->string_or("kind");
  if (is_gauge(kind)) {
    update.gauge = kind + '\n' + data->string_or("script_name") + '\n' + data->string_or("symbol");
  }
  update.text = std::move(text);
  return update;
}

bool Channel::push(Update update) {
  last_seq_ = std::max(last_seq_, update.seq);
  if (known_from_ < 0) known_from_ = update.seq - 1;
  history_bytes_ += update.text.size();
  history_.emplace_back(update.seq, update.text);
  while (history_.size() > kHistoryMax || history_bytes_ > kHistoryBytesMax) {
    history_bytes_ -= history_.front().second.size();
    known_from_ = std::max(known_from_, history_.front().first);
    history_.pop_front();
  }
  if (!update.gauge.empty()) {
    const auto [newest, is_new] = gauges_.try_emplace(update.gauge, update.seq);
    if (!is_new) {
      if (const auto old = pending_.find(newest->second); old != pending_.end()) {
        pending_bytes_ -= old->second.text.size();
        pending_.erase(old);
      }
      newest->second = update.seq;
    }
  }
  pending_bytes_ += update.text.size();
  const std::int64_t seq = update.seq;
  pending_.insert_or_assign(seq, std::move(update));
  if (pending_bytes_ <= kPendingBytesMax) return true;
  forget();
  return false;
}

std::optional<WsMessage> Channel::take(Clock::time_point now) {
  const auto due_at = due();
  if (!due_at || now < *due_at) return std::nullopt;
  std::vector<std::string_view> texts;
  std::size_t bytes = 0;
  auto end = pending_.begin();
  for (; end != pending_.end(); ++end) {
    bytes += end->second.text.size();
    if (!texts.empty() && bytes > kMessageBytesMax) break;
    texts.push_back(end->second.text);
  }
  WsMessage message{.last_seq = std::prev(end)->first, .text = {}};
  message.text = batch_of(texts, message.last_seq);
  for (auto it = pending_.begin(); it != end; ++it) {
    pending_bytes_ -= it->second.text.size();
    if (!it->second.gauge.empty()) gauges_.erase(it->second.gauge);
  }
  pending_.erase(pending_.begin(), end);
  last_sent_ = now;
  return message;
}

std::optional<Channel::Clock::time_point> Channel::due() const {
  if (pending_.empty()) return std::nullopt;
  return last_sent_ + kTick;
}

std::optional<std::vector<WsMessage>> Channel::resume(std::int64_t since) const {
  if (known_from_ < 0 || since < known_from_ || since > last_seq_) return std::nullopt;
  std::vector<WsMessage> messages;
  std::vector<std::string_view> texts;
  std::size_t bytes = 0;
  std::int64_t last_seq = since;
  const auto close = [&] {
    if (!texts.empty()) messages.push_back({last_seq, batch_of(texts, last_seq)});
    texts.clear();
    bytes = 0;
  };
  for (const auto& [seq, text] : history_) {
    if (seq <= since) continue;
    if (bytes + text.size() > kMessageBytesMax) close();
    texts.push_back(text);
    bytes += text.size();
    last_seq = seq;
  }
  close();
  return messages;
}

void Channel::start_at(std::int64_t seq) {
  last_seq_ = std::max(last_seq_, seq);
  if (known_from_ < 0) known_from_ = seq;
}

void Channel::forget() {
  pending_.clear();
  gauges_.clear();
  pending_bytes_ = 0;
  history_.clear();
  history_bytes_ = 0;
  known_from_ = -1;
}

}  // namespace ddt::api
