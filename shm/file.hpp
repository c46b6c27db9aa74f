// shm/file.hpp — descriptors and whole-file locks that die with their owner.
#pragma once

#include <string>
#include <utility>

#include "shm/base/result.hpp"

namespace ddt {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

enum class LockState : unsigned char { free, held, unknown };

// Open-file-description locks: the kernel releases them when the last descriptor and mapping of
// that opening are gone, however the process ended. No pid is ever guessed.
bool try_lock(int fd) noexcept;
LockState lock_state(int fd) noexcept;  // as seen through another opening of the same file

// "what path: strerror (errno)" of the call that has just failed.
Error last_error(const std::string& what);

}  // namespace ddt
