// api/ws/asio.hpp — Boost.Asio and Beast as we include them: g++ 12 with C++20 wants <utility> first, and
// no tool may sort it away.
#pragma once

// clang-format off
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
// clang-format on
