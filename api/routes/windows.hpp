// api/routes/windows.hpp — `window=`: the same figures per Window.
//
// A Window is always shown whole: the first and the last one reach beyond the range.
#pragma once

#include "api/http/json.hpp"
#include "api/parameters.hpp"
#include "sidecar/model/window.hpp"

namespace ddt::api {

// {"window_start", "window_end", "final"}
Json window_head(const model::Window& window, std::int64_t now_ns);

}  // namespace ddt::api
