// shm/mapping.hpp — a file mapped into memory: the one door to Boost.Interprocess.
#pragma once

#include <boost/interprocess/mapped_region.hpp>
#include <cstddef>

#include "shm/base/result.hpp"

namespace ddt {

// Maps `bytes` of an open file from `offset` (whole pages), shared and writable. The descriptor may
// be closed afterwards: the mapping, and an open-file-description lock taken through it, live on
// until the mapping goes.
class Mapping {
 public:
  Mapping() = default;
  static Result<Mapping> map(int fd, std::size_t bytes, std::size_t offset = 0);
  // Memory of our own with what the file's first `bytes` bytes are now: whatever becomes of the file
  // does not reach it. Errors: a file that is shorter.
  static Result<Mapping> copy_of(int fd, std::size_t bytes);

  std::byte* data() const noexcept { return static_cast<std::byte*>(region_.get_address()); }
  std::size_t size() const noexcept { return region_.get_size(); }
  explicit operator bool() const noexcept { return region_.get_size() != 0; }
  void unmap() noexcept { boost::interprocess::mapped_region().swap(region_); }

 private:
  boost::interprocess::mapped_region region_;
};

}  // namespace ddt
