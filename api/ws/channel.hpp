// api/ws/channel.hpp — updates of one profile on their way to its listeners: at most 20 messages a second,
// newest value wins for gauges, facts are never conflated away.
//
// What comes within one tick goes out as one message: alone as it is, together as
//   {"type":"update","seq":<last>,"ts":…,"data":{"kind":"batch","updates":[<update>,…]}}
//
// Threads   One. Time comes in as a parameter.
// Limits    kMessageBytesMax per message (the rest goes with the next tick). More than kPendingBytesMax
//           waiting is a gap: what waits is forgotten and listeners need a snapshot.
//           kHistoryMax updates are kept for clients that resume.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ddt::api {

// One message as it came over the Redis channel.
struct Update {
  std::int32_t profile_id = 0;
  std::int64_t seq = 0;
  std::string gauge;  // what it is the newest value of; "" for a fact
  std::string text;   // {"type":"update","seq":…,"ts":"…","data":{…}}
};
// nullopt for what is no update message.
std::optional<Update> parse_update(std::int32_t profile_id, std::string text);

struct WsMessage {
  std::int64_t last_seq = 0;
  std::string text;
};

class Channel {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kTick{50};
  static constexpr std::size_t kMessageBytesMax = 256 * 1024;
  static constexpr std::size_t kPendingBytesMax = 8 * 1024 * 1024;
  static constexpr std::size_t kHistoryMax = 1'000;
  static constexpr std::size_t kHistoryBytesMax = 1024 * 1024;

  // False: too much waits, everything was forgotten.
  [[nodiscard]] bool push(Update update);

  // The next message, if there is one and its time has come.
  std::optional<WsMessage> take(Clock::time_point now);
  // When take() should be called again; nullopt while nothing waits.
  std::optional<Clock::time_point> due() const;

  // Everything after `since`, ready to send; nullopt when that is not known any more (a gap).
  std::optional<std::vector<WsMessage>> resume(std::int64_t since) const;

  std::int64_t last_seq() const { return last_seq_; }
  void start_at(std::int64_t seq);  // a snapshot stands there
  void forget();                    // updates may have been missed

 private:
  std::map<std::int64_t, Update> pending_;                   // by seq
  std::map<std::string, std::int64_t, std::less<>> gauges_;  // newest waiting seq of each
  std::size_t pending_bytes_ = 0;
  std::deque<std::pair<std::int64_t, std::string>> history_;
  std::size_t history_bytes_ = 0;
  std::int64_t known_from_ =
      -1;  // every update after this one is in the history; -1: none is known
  std::int64_t last_seq_ = 0;
  Clock::time_point last_sent_{};
};

}  // namespace ddt::api
