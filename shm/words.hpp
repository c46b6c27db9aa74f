// shm/words.hpp — open vocabularies: known words travel as one byte, any other text verbatim.
//
// A Word is a known word (code 1..n, an index into its vocabulary), another text (kOtherWord), or
// absent (0). Codes are part of layout version 1: append, never reorder. Spellings are mapped when
// a Word is made (cancelled → canceled; for a side long → buy), so every reader sees one word per
// thing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ddt {

inline constexpr std::uint8_t kNoWord = 0;
inline constexpr std::uint8_t kOtherWord = 255;
inline constexpr std::size_t kWordBytesMax =
    50;  // longer text is cut there and counted by the sidecar

// The longest prefix of at most `bytes_max` bytes that does not end inside a UTF-8 character.
constexpr std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max) noexcept {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

struct Spelling {
  std::string_view from, to;
};

struct SideWords {
  static constexpr std::array<std::string_view, 2> kKnown{"buy", "sell"};
  static constexpr std::array<Spelling, 6> kSpellings{{{"long", "buy"},
                                                       {"short", "sell"},
                                                       {"BUY", "buy"},
                                                       {"SELL", "sell"},
                                                       {"LONG", "buy"},
                                                       {"SHORT", "sell"}}};
};
struct DirectionWords {
  static constexpr std::array<std::string_view, 4> kKnown{"upward", "downward", "reverse_upward",
                                                          "reverse_downward"};
  static constexpr std::array<Spelling, 2> kSpellings{{{"up", "upward"}, {"down", "downward"}}};
};
struct OrderTypeWords {
  static constexpr std::array<std::string_view, 5> kKnown{"market", "limit", "stop", "stop_limit",
                                                          "trailing_stop"};
  static constexpr std::array<Spelling, 2> kSpellings{{{"MARKET", "market"}, {"LIMIT", "limit"}}};
};
struct OrderStatusWords {
  static constexpr std::array<std::string_view, 20> kKnown{
      "new",     "pending",          "pending_new",    "accepted",        "accepted_for_bidding",
      "held",    "partially_filled", "pending_cancel", "pending_replace", "pending_review",
      "stopped", "suspended",        "calculated",     "done_for_day",    "converted",
      "filled",  "canceled",         "expired",        "rejected",        "replaced"};
  static constexpr std::array<Spelling, 3> kSpellings{
      {{"cancelled", "canceled"}, {"partial_fill", "partially_filled"}, {"fill", "filled"}}};
};
struct TradeTypeWords {
  static constexpr std::array<std::string_view, 6> kKnown{
      "breakout", "equity_close", "stop_loss", "choppy_day_close", "take_profit", "manual"};
  static constexpr std::array<Spelling, 0> kSpellings{};
};
struct ExitReasonWords {
  static constexpr std::array<std::string_view, 10> kKnown{
      "profit_target", "stop_loss", "choppy_day", "time_based",  "reversal",
      "trailing_stop", "eod",       "manual",     "liquidation", "expiry"};
  static constexpr std::array<Spelling, 2> kSpellings{
      {{"take_profit", "profit_target"}, {"end_of_day", "eod"}}};
};
struct HealthStatusWords {
  static constexpr std::array<std::string_view, 5> kKnown{"healthy", "degraded", "error",
                                                          "starting", "stopping"};
  static constexpr std::array<Spelling, 1> kSpellings{{{"ok", "healthy"}}};
};
struct SeverityWords {
  static constexpr std::array<std::string_view, 5> kKnown{"debug", "info", "warning", "error",
                                                          "critical"};
  static constexpr std::array<Spelling, 1> kSpellings{{{"warn", "warning"}}};
};
struct SignalFateWords {
  static constexpr std::array<std::string_view, 3> kKnown{"detected", "traded", "suppressed"};
  static constexpr std::array<Spelling, 0> kSpellings{};
};

// One word of a vocabulary. Holds the text by reference: it must live until the Record is
// published.
template <typename Vocabulary>
class Word {
 public:
  constexpr Word() noexcept = default;
  constexpr Word(
      std::string_view text) noexcept {  // NOLINT: implicit, {.side = "buy"} must read well
    if (text.empty()) return;
    for (const Spelling& spelling : Vocabulary::kSpellings) {
      if (spelling.from == text) text = spelling.to;
    }
    for (std::size_t i = 0; i < Vocabulary::kKnown.size(); ++i) {
      if (Vocabulary::kKnown[i] == text) {
        code_ = static_cast<std::uint8_t>(i + 1);
        return;
      }
    }
    code_ = kOtherWord;
    text_ = utf8_prefix(text, kWordBytesMax);
  }
  constexpr Word(const char* text) noexcept : Word(std::string_view(text)) {}         // NOLINT
  constexpr Word(const std::string& text) noexcept : Word(std::string_view(text)) {}  // NOLINT

  constexpr std::uint8_t code() const noexcept { return code_; }
  constexpr std::string_view other_text() const noexcept { return text_; }

  // The known word of a code; empty for absent, other or unknown codes.
  static constexpr std::string_view known(std::uint8_t code) noexcept {
    return code >= 1 && code <= Vocabulary::kKnown.size() ? Vocabulary::kKnown[code - 1U]
                                                          : std::string_view{};
  }

 private:
  std::uint8_t code_ = kNoWord;
  std::string_view text_;
};

using Side = Word<SideWords>;
using Direction = Word<DirectionWords>;
using OrderType = Word<OrderTypeWords>;
using OrderStatus = Word<OrderStatusWords>;
using TradeType = Word<TradeTypeWords>;
using ExitReason = Word<ExitReasonWords>;
using HealthStatus = Word<HealthStatusWords>;
using Severity = Word<SeverityWords>;
using SignalFate = Word<SignalFateWords>;

}  // namespace ddt
