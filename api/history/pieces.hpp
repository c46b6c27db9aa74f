// api/history/pieces.hpp — a range of a profile as the states of its Windows and the rows between them.
//
// States are those of dd_window_state's control rows that are current and can be read: a piece's state may be taken as
// it is. What they do not cover is read from rows. The reply is the same either way (sidecar/model's spans join
// exactly), its cost is not. All of one reply is to be read in
// one Stores::in_snapshot().
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/parameters.hpp"
#include "api/stores.hpp"
#include "sidecar/model/window_cover.hpp"

namespace ddt::api {

Result<std::vector<model::Piece>> pieces_of(Stores& stores, std::int32_t profile_id,
                                            std::string_view metric_type,
                                            const model::Stretch& stretch,
                                            model::WindowType longest,
                                            const std::set<std::int64_t>& not_at = {});

// `whole` (whole Windows around the range, where `window` was asked for) in pieces that lie inside the range or
// outside of it, never across its ends, and that are no longer than a Window.
struct PieceOfRange {
  model::Piece piece;
  bool is_in_range = false;
};
Result<std::vector<PieceOfRange>> pieces_of_range(Stores& stores, std::int32_t profile_id,
                                                  std::string_view metric_type, const Range& range,
                                                  const Range& whole,
                                                  const std::optional<model::WindowType>& window);

// What `select` finds in all of the stretches, in no order, a few round trips for all. Its parameters are the profile
// and both ends of one stretch, in that order. `limit`: no more rows than that, 0 is no limit.
Result<sql::Rows> rows_in(Stores& stores, std::int32_t profile_id, const std::string& select,
                          std::span<const model::Stretch> stretches, std::int64_t limit = 0);
// The stretches of pieces without state.
std::vector<model::Stretch> bare_stretches(std::span<const PieceOfRange> pieces);

// Hours with facts that the figures stage has not seen yet. What these say of a chain or of a signal, the states of
// other Windows in which it lies are told only when it has, seconds later.
Result<std::vector<model::Stretch>> hours_with_news(Stores& stores, std::int32_t profile_id,
                                                    std::string_view metric_type);
// So their states are taken back, those of Windows in which one of the times lies: shorter ones and rows for them.
Status take_back_states(Stores& stores, std::int32_t profile_id, std::string_view metric_type,
                        const std::set<std::int64_t>& at, std::vector<PieceOfRange>& pieces);

}  // namespace ddt::api
