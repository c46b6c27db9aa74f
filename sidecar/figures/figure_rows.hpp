// sidecar/figures/figure_rows.hpp — the figures of one Window as rows of dd_telemetry_metrics.
//
// Value     Within DECIMAL(30,8), or none: then `reason` says why ("overflow" where it does not fit).
// Labels    "" for a plain figure, "script=order_monitor", "exit_reason=stop_loss", … for one of a split.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shm/base/decimal.hpp"
#include "sidecar/model/trades.hpp"

namespace ddt::sidecar {

struct FigureRow {
  std::string name, labels;
  std::optional<int128> value_e8;
  std::string reason;
  std::string notes;  // members of the row's metadata object, as JSON: "\"unadjusted\":true"
};

// Text cut to at most `bytes`, never inside a character.
std::string_view fit(std::string_view text, std::size_t bytes) noexcept;

class FigureRows {
 public:
  FigureRow& value(std::string_view name, int128 value_e8, std::string_view labels = {});
  FigureRow& null(std::string_view name, std::string_view reason, std::string_view labels = {});
  FigureRow& value_or(std::string_view name, std::optional<int128> value_e8,
                      std::string_view reason, std::string_view labels = {});
  void count(std::string_view name, std::uint64_t value, std::string_view labels = {});
  void all(std::span<const model::Figure> figures);

  std::vector<FigureRow> take() && { return std::move(rows_); }

 private:
  std::vector<FigureRow> rows_;
};

}  // namespace ddt::sidecar
