// A full /dev/shm: a small tmpfs of the test's own. A claim is refused with a status, nothing faults, and
// the bot goes on.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "tests/support/as_root.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/record_kinds.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

using test::TempDirectory;

constexpr std::uint32_t kLines = 1'024;  // 64 KiB a Lane

// In a mount namespace of this process's own: root's, or one in which an ordinary user is root.
bool mount_small_tmpfs(const std::string& directory, const char* size) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
    std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1";
  } else if (::unshare(CLONE_NEWNS) != 0) {
    return false;
  }
  // Nobody outside shall see it. In a chroot "/" is no mount point, but what the directory lies on is.
  const bool is_private = ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ||
                          (directory.starts_with("/dev/shm/") &&
                           ::mount("none", "/dev/shm", nullptr, MS_PRIVATE, nullptr) == 0);
  const std::string options = std::string("mode=0700,size=") + size;
  return is_private && ::mount("tmpfs", directory.c_str(), "tmpfs", 0, options.c_str()) == 0;
}

// Whether a small tmpfs can be had here at all: in a namespace, or as root.
bool can_mount(const std::string& directory) {
  return test::run_in_child([&] { return mount_small_tmpfs(directory, "1m") ? 0 : 1; }) == 0;
}

// Fails with what is not as expected; the child's exit code says nothing more.
#define WANT(condition)                                                    \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      return 1;                                                            \
    }                                                                      \
  } while (false)

class FullShm : public testing::Test {
 protected:
  // False: done elsewhere, or failed.
  bool can_be_had() const { return can_mount(directory.path()) || test::is_root_or_ran_as_root(); }
  TelemetryOptions options() const {
    return {
        .profile_id = 7, .script_name = "bot", .directory = directory.path(), .lane_lines = kLines};
  }
  static bool says_no_space(const Telemetry& telemetry) {
    return telemetry.status_text().find("No space left on device") != std::string::npos;
  }

  TempDirectory directory;
};

TEST_F(FullShm, RefusesALaneWithAStatusAndTheBotsOtherThreadsGoOn) {
  if (!can_be_had()) return;
  EXPECT_EQ(test::run_in_child([&] {
              // 128 KiB of header and one Lane of 64 KiB; the next does not fit.
              WANT(mount_small_tmpfs(directory.path(), "224k"));
              const Telemetry telemetry(options());
              WANT(test::say_trade(telemetry) == Published::ok);
              Published refused{}, again{};
              bool was_said = false;
              std::thread([&] {
                refused = test::say_trade(telemetry);
                was_said = says_no_space(telemetry);
                again = test::say_latency(telemetry);
              }).join();
              WANT(refused == Published::detached && again == Published::detached && was_said);
              // The Lane that there is takes all that it holds, to its last line.
              std::uint32_t said = 1;
              while (test::say_trade(telemetry) == Published::ok) ++said;
              WANT(said * test::as_said_undisturbed(test::kSayings[2]).lines > kLines - 4);
              return 0;
            }),
            0);
}

TEST_F(FullShm, RefusesASegmentWithAStatusLeavesNoLitterAndThereIsOneOnceThereIsRoom) {
  if (!can_be_had()) return;
  EXPECT_EQ(test::run_in_child([&] {
              WANT(mount_small_tmpfs(directory.path(), "320k"));
              const std::string filler = directory / "filler";
              const int fd = ::open(filler.c_str(), O_CREAT | O_RDWR, 0600);
              WANT(::posix_fallocate(fd, 0, 256 << 10) == 0);
              const Telemetry telemetry(options());
              WANT(!telemetry.is_attached() && says_no_space(telemetry));
              WANT(test::say_trade(telemetry) == Published::detached);
              WANT(::unlink(filler.c_str()) == 0 && ::close(fd) == 0);
              WANT(std::filesystem::is_empty(directory.path()));
              // Another thread of the same bot finds room now.
              Published said{};
              std::thread([&] { said = test::say_trade(telemetry); }).join();
              WANT(said == Published::ok);
              return 0;
            }),
            0);
}

// Without the reservation the file would be sparse, and the first store behind its end a SIGBUS.
TEST_F(FullShm, IsFilledByOthersAfterTheClaimAndNoPublishFaults) {
  if (!can_be_had()) return;
  EXPECT_EQ(test::run_in_child([&] {
              WANT(mount_small_tmpfs(directory.path(), "320k"));
              const Telemetry telemetry(options());
              WANT(telemetry.is_attached());
              const int fd = ::open((directory / "filler").c_str(), O_CREAT | O_RDWR, 0600);
              const std::string block(4'096, 'x');
              while (::write(fd, block.data(), block.size()) > 0) {
              }
              ::close(fd);
              std::uint32_t said = 0;
              while (test::say_latency(telemetry) == Published::ok) ++said;
              WANT(said == kLines / 2);  // a sample's share
              while (test::say_trade(telemetry) == Published::ok) ++said;
              auto segment = test::open_only_segment(directory.path());
              WANT(segment);
              LaneReader lane = segment->lane(0, 0);
              RecordCopy copy{};
              while (lane.read(copy) == Peeked::record) --said;
              WANT(said == 0);
              return 0;
            }),
            0);
}

}  // namespace
}  // namespace ddt
