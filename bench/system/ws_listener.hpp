// bench/system/ws_listener.hpp — WebSocket clients of ddt-api, one a profile, that note when a message arrives.
//
// Threads   One of its own, which calls on_text. The constructor returns when every client has its snapshot.
// Errors    std::runtime_error from the constructor. A connection that ends later says nothing more.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace ddt::bench {

class WsListener {
 public:
  using OnText = std::function<void(std::string_view text, std::int64_t arrived_ns)>;

  WsListener(std::uint16_t port, const std::vector<std::int32_t>& profile_ids, OnText on_text);
  ~WsListener();  // no call of on_text is under way any more
  WsListener(const WsListener&) = delete;
  WsListener& operator=(const WsListener&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ddt::bench
