// sidecar/model/window_state.hpp — which spans the state of a metric type holds (docs/formats/window_state.md).
#pragma once

#include <string_view>

namespace ddt::model {

// Both sections hold what they should. Who puts a range together asks it of every stored state: one that cannot be
// read counts as none, so that damaged bytes cost time and not the reply.
bool can_be_read(std::string_view metric_type, std::string_view state);

}  // namespace ddt::model
