// Bots of two users under one telemetry directory of mode 3733: neither can read, write, delete or list
// what is the other's; the sidecar's user can.
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "tests/support/as_root.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/drain_by_hand.hpp"
#include "tests/support/record_kinds.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

using test::ChildProcess;
using test::Pipe;
using test::TempDirectory;

// Of nobody, and of no group that owns anything.
constexpr uid_t kAlice = 65'533, kBob = 65'532;

bool become(uid_t user) {
  return ::setgroups(0, nullptr) == 0 && ::setresgid(user, user, user) == 0 &&
         ::setresuid(user, user, user) == 0;
}

class TwoUsers : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::chmod(directory.path().c_str(), 03733), 0); }
  // A bot that has published once and stays.
  int live_as(uid_t user, const Pipe& said) const {
    if (!become(user)) return 1;
    const Telemetry telemetry(
        {.profile_id = 7, .script_name = "bot", .directory = directory.path(), .lane_lines = 128});
    const bool ok = test::say_trade(telemetry) == Published::ok;
    if (!ok) std::fprintf(stderr, "uid %u: %s\n", user, telemetry.status_text().c_str());
    said.send(ok ? 'p' : 'x');
    for (;;) ::pause();
  }
  // What Bob tries; returns the first thing that he can do, or "".
  static std::string break_in(const std::string& directory, const std::string& segment,
                              pid_t alice) {
    if (!become(kBob)) return "not even become another user";
    const std::string path = directory + "/" + segment, mine = directory + "/seg-mine";
    struct Try {
      const char* what;
      bool is_refused;
    };
    const auto refused = [](int result) {
      return result < 0 && (errno == EACCES || errno == EPERM);
    };
    if (::close(::open(mine.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600)) != 0)
      return "make no file of his own: what he is refused says nothing";
    const std::string proc = "/proc/" + std::to_string(alice);
    const Try tries[] = {
        {"read it", refused(::open(path.c_str(), O_RDONLY))},
        {"write it", refused(::open(path.c_str(), O_WRONLY))},
        {"map it", refused(::open(path.c_str(), O_RDWR))},
        {"truncate it", refused(::truncate(path.c_str(), 0))},
        {"delete it", refused(::unlink(path.c_str()))},
        {"rename it", refused(::rename(path.c_str(), (directory + "/gone").c_str()))},
        {"replace it", refused(::rename(mine.c_str(), path.c_str()))},
        {"link it", refused(::link(path.c_str(), (directory + "/seg-link").c_str()))},
        {"open its permissions", refused(::chmod(path.c_str(), 0666))},
        {"own it", refused(::chown(path.c_str(), kBob, kBob))},
        {"list the directory", refused(::open(directory.c_str(), O_RDONLY | O_DIRECTORY))},
        {"open the directory's permissions", refused(::chmod(directory.c_str(), 0777))},
        {"delete the directory", refused(::rmdir(directory.c_str()))},
        {"list the bot's mappings", refused(::open((proc + "/maps").c_str(), O_RDONLY))},
        {"write the bot's memory", refused(::open((proc + "/mem").c_str(), O_RDWR))},
        {"stop the bot", refused(::kill(alice, SIGSTOP))},
        {"trace the bot", ::ptrace(PTRACE_SEIZE, alice, nullptr, nullptr) < 0},
    };
    for (const Try& one : tries) {
      if (!one.is_refused) return one.what;
    }
    return ::unlink(mine.c_str()) == 0 ? "" : "not delete his own";
  }

  TempDirectory directory;
};

TEST_F(TwoUsers, CanNeitherReadNorWriteNorDeleteNorListEachOthersSegments) {
  if (!test::is_root_or_ran_as_root()) return;
  const Pipe said;
  const ChildProcess alice([&] { return live_as(kAlice, said); });
  ASSERT_EQ(said.receive(), 'p');
  const auto segment = test::open_only_segment(directory.path());
  ASSERT_TRUE(segment) << segment.error().message;
  EXPECT_EQ(segment->owner_uid(), kAlice);
  struct stat info {};
  ASSERT_EQ(::stat((directory / segment->name()).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0660U);
  EXPECT_EQ(info.st_gid, ::getegid());  // the directory's group: the sidecar's

  const int code = test::run_in_child([&] {
    const std::string can = break_in(directory.path(), segment->name(), alice.pid());
    if (!can.empty()) std::fprintf(stderr, "another user's bot can %s\n", can.c_str());
    return can.empty() ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
  RecordCopy copy{};
  EXPECT_EQ(segment->lane(0, 0).read(copy), Peeked::record);  // untouched
}

TEST_F(TwoUsers, AreBothDrainedAndRetiredByTheSidecarsUser) {
  if (!test::is_root_or_ran_as_root()) return;
  test::DrainByHand drain(directory.path());
  const Pipe said;
  {
    const ChildProcess alice([&] { return live_as(kAlice, said); });
    const ChildProcess bob([&] { return live_as(kBob, said); });
    ASSERT_EQ(said.receive(), 'p');
    ASSERT_EQ(said.receive(), 'p');
    drain.work();
    EXPECT_EQ(drain.ledger().stored, 2U);
    EXPECT_EQ(drain.retired(), 0U);
  }
  for (int i = 0; i < 4; ++i) drain.work();
  EXPECT_EQ(drain.retired(), 2U);
  EXPECT_TRUE(segment_names(directory.path())->empty());
}

// The sidecar may run as a user who is not root: it reads by its group, and deletes as the directory's owner.
TEST_F(TwoUsers, AreDrainedAndRetiredByASidecarThatIsNotRoot) {
  if (!test::is_root_or_ran_as_root()) return;
  constexpr uid_t kSidecar = 65'531;
  ASSERT_EQ(::chown(directory.path().c_str(), kSidecar, kSidecar), 0);
  ASSERT_EQ(::chmod(directory.path().c_str(), 03733), 0);  // chown has taken the set-gid bit
  const Pipe said, go;
  ChildProcess sidecar([&] {
    if (!become(kSidecar)) return 1;
    test::DrainByHand drain(directory.path());
    go.receive();
    drain.work();
    if (drain.ledger().stored != 1) return 2;
    said.send('d');
    go.receive();
    for (int i = 0; i < 4; ++i) drain.work();
    said.send(drain.retired() == 1 ? 'r' : 'x');
    for (;;) ::pause();
  });
  ChildProcess alice([&] { return live_as(kAlice, said); });
  ASSERT_EQ(said.receive(), 'p');
  go.send('g');
  ASSERT_EQ(said.receive(), 'd');
  alice.kill();
  go.send('g');
  EXPECT_EQ(said.receive(), 'r');
  EXPECT_TRUE(segment_names(directory.path())->empty());
}

}  // namespace
}  // namespace ddt
