// tests/support/temp_directory.hpp — a directory of a test's own, gone when the test is.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace ddt::test {

// Under /dev/shm, as Segments are: "/dev/shm/ddt-test-<pid>-<n>", mode 0700. Only the process that
// made it removes it: a forked child that leaves by exit() does not.
class TempDirectory {
 public:
  explicit TempDirectory(std::string_view parent = "/dev/shm") : owner_(::getpid()) {
    static std::atomic<unsigned> next{0};
    path_ = std::string(parent) + "/ddt-test-" + std::to_string(owner_) + "-" +
            std::to_string(next.fetch_add(1));
    std::filesystem::create_directories(path_);
    ::chmod(path_.c_str(), 0700);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  ~TempDirectory() {
    std::error_code ignored;
    if (::getpid() == owner_) std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const noexcept { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  pid_t owner_;
  std::string path_;
};

}  // namespace ddt::test
