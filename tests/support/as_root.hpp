// tests/support/as_root.hpp — for what only root can arrange: run as root as it is, as an ordinary user
// again through `sudo -n`.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <string>

#include "tests/support/child_process.hpp"

namespace ddt::test {

// True: this process is root, go on. False: the running test was run by a root of its own instead, or
// could not be: then it has failed, and says so.
inline bool is_root_or_ran_as_root() {
  if (::geteuid() == 0) return true;
  const testing::TestInfo& info = *testing::UnitTest::GetInstance()->current_test_info();
  const std::string filter =
      std::string("--gtest_filter=") + info.test_suite_name() + "." + info.name();
  std::array<char, PATH_MAX> self{};
  if (::readlink("/proc/self/exe", self.data(), self.size() - 1) < 0) self[0] = '\0';
  const int code = run_in_child([&] {
    ::execlp("sudo", "sudo", "-n", self.data(), filter.c_str(), nullptr);
    return 127;
  });
  EXPECT_EQ(code, 0) << "not checked: this needs root, or sudo without a password"
                     << (code == 127 ? " (there is no sudo)" : "");
  return false;
}

}  // namespace ddt::test
