// shm/base/result.hpp — a value or an Error, for what the world can do to us.
//
// Used for I/O and parsing. Start-up problems throw StartupError (caught once, in main); bad data
// is counted where it is found; our own bugs are DDT_CHECKed.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace ddt {

// What was tried, on what, and whether trying again can help.
struct Error {
  std::string message;
  bool is_retryable = false;
  int code = 0;  // The store's own number (errno, MySQL error), 0 where there is none.
};

// Either a T or an Error. Test before use: value() of an Error is a bug.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  explicit operator bool() const noexcept { return state_.index() == 0; }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

struct Done {};
using Status = Result<Done>;

// A process that cannot start says everything that is wrong, once, and exits with 2.
class StartupError : public std::runtime_error {
 public:
  explicit StartupError(std::vector<std::string> problems)
      : std::runtime_error(problems.empty() ? "cannot start" : problems.front()),
        problems_(std::move(problems)) {}
  explicit StartupError(std::string problem) : StartupError(std::vector{std::move(problem)}) {}
  const std::vector<std::string>& problems() const noexcept { return problems_; }

 private:
  std::vector<std::string> problems_;
};

}  // namespace ddt
