#include "api/routes/windows.hpp"

#include "sidecar/model/time.hpp"

namespace ddt::api {

Json window_head(const model::Window& window, std::int64_t now_ns) {
  Json json = Json::object();
  json.set("window_start", model::rfc3339(window.start_ns));
  json.set("window_end", model::rfc3339(window.end_ns));
  json.set("final", window.end_ns <= now_ns);
  return json;
}

}  // namespace ddt::api
