#include "sidecar/top/asker.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "sidecar/model/json.hpp"
#include "sidecar/redis/keys.hpp"

namespace ddt::top {
namespace {

std::optional<double> lag_of(const model::JsonValue& status, std::string_view store) {
  const model::JsonValue* lag = status.find(store);
  if (lag != nullptr) lag = lag->find("lag_s");
  const auto text = lag == nullptr ? std::nullopt : lag->as_number_text();
  if (!text) return std::nullopt;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return seconds;
}

}  // namespace

void read_status(std::string_view json, SidecarSample& sample) {
  const auto status = model::JsonValue::parse(json);
  if (!status || !status->is_object()) return;
  sample.durability = status->string_or("durability");
  sample.redis_lag_s = lag_of(*status, "redis");
  sample.mysql_lag_s = lag_of(*status, "mysql");
}

SidecarSample Asker::ask(std::int64_t monotonic_now_ns) {
  SidecarSample unknown;
  unknown.id = id_;
  if (!client_ || !client_->is_open()) {
    client_.reset();
    unknown.problem = problem_;
    if (monotonic_now_ns < next_try_ns_) return unknown;
    next_try_ns_ = monotonic_now_ns + kRetryNs;
    auto client = redis::Client::connect(options_);
    if (!client) {
      unknown.problem = problem_ = client.error().message;
      return unknown;
    }
    client_.emplace(std::move(*client));
  }
  return answer();
}

SidecarSample Asker::answer() {
  SidecarSample sample;
  sample.id = id_;
  const redis::SidecarKeys keys(id_);
  const std::array<redis::Command, 2> questions{redis::Command{"HGETALL", keys.lanes},
                                                redis::Command{"GET", keys.status}};
  const auto answers = client_->run_all(questions);
  if (!answers) {
    sample.problem = problem_ = answers.error().message;
    return sample;
  }
  const redis::Reply& lanes = answers->at(0);
  const redis::Reply& status = answers->at(1);
  if (lanes.is_error()) {
    sample.problem = lanes.text;
    return sample;
  }
  sample.words = redis::lane_words_of(lanes.items);
  if (!sample.words)
    sample.problem = status.is_nil() ? who_speaks() : "it says nothing of its Lanes";
  if (!status.is_error()) read_status(status.text, sample);
  return sample;
}

// "no sidecar of that id speaks at …", and who might be meant.
std::string Asker::who_speaks() {
  std::string text = "nobody of that id speaks at " + redis::address_of(options_);
  const auto known = client_->run({"SMEMBERS", std::string(redis::kSidecarsKey)});
  if (!known || known->items.empty()) return text;
  constexpr std::size_t kIdsShown = 5;
  text += "; sidecar.id may be";
  for (std::size_t i = 0; i < std::min(known->items.size(), kIdsShown); ++i)
    text += " " + known->items[i].text;
  return text;
}

}  // namespace ddt::top
