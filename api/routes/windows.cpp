#include "api/routes/windows.hpp"

#include "sidecar/model/time.hpp"

namespace ddt::api {

Range whole_windows(const Range& range, const std::optional<model::WindowType>& type) {
  if (!type || range.from_ns >= range.to_ns) return range;
  Range wider = range;
  wider.from_ns = model::window_containing(*type, range.from_ns).start_ns;
  wider.to_ns = model::window_containing(*type, range.to_ns - 1).end_ns;
  return wider;
}

Json window_head(const model::Window& window, std::int64_t now_ns) {
  Json json = Json::object();
  json.set("window_start", model::rfc3339(window.start_ns));
  json.set("window_end", model::rfc3339(window.end_ns));
  json.set("final", window.end_ns <= now_ns);
  return json;
}

}  // namespace ddt::api
