// tests/one_mapping/shm/mapping.hpp — Mapping (shm/mapping.hpp) as the thread sanitizer needs it.
//
// The sanitizer knows memory by its address: what a bot writes through its mapping and a drain in the same
// process reads through another is two things to it, and no race between them is ever seen. Here a file has
// one address in the process, however often and in whatever parts it is mapped; the code is compiled with this
// header in the other's place (cmake/sanitized.cmake). What must stay as it is: every Mapping holds the opening of
// the file that it was made through, and its lock, until it goes.
#pragma once

#include <cstddef>
#include <utility>

#include "shm/base/result.hpp"

namespace ddt {

class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept { swap(other); }
  Mapping& operator=(Mapping&& other) noexcept {
    Mapping(std::move(other)).swap(*this);
    return *this;
  }
  ~Mapping() { unmap(); }
  static Result<Mapping> map(int fd, std::size_t bytes, std::size_t offset = 0);
  static Result<Mapping> copy_of(int fd, std::size_t bytes);

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  explicit operator bool() const noexcept { return size_ != 0; }
  void unmap() noexcept;

 private:
  void swap(Mapping& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(fd_, other.fd_);
  }

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  int fd_ = -1;  // a duplicate: the opening, as long as we are there
};

}  // namespace ddt
