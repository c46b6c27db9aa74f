// api/app.hpp — the whole API without a socket: a Request in, a Response out.
//
// Threads   handle() may run on any number of threads at once; each has Stores of its own.
#pragma once

#include <functional>

#include "api/middleware/shared_replies.hpp"
#include "api/router.hpp"
#include "api/routes/context.hpp"

namespace ddt::api {

std::int64_t system_now_ns();

class App {
 public:
  explicit App(ApiOptions options, std::function<std::int64_t()> now_ns = system_now_ns);
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  Response handle(const Request& request) const;

 private:
  const ApiOptions options_;
  StoresOfThreads stores_;
  RecentDrawdowns drawdowns_;
  const Context context_;
  Router router_;
  mutable SharedReplies shared_;  // locks itself
};

}  // namespace ddt::api
