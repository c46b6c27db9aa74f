// Segments: how a bot makes one, what a sidecar refuses to open, and what it reads out of one.
#include "shm/segment.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

using test::run_in_child;
using test::TempDirectory;
using testing::HasSubstr;

constexpr std::uint64_t kNsPerTick = (std::uint64_t{1} << 32U) / 2;  // 0.5 ns
constexpr std::int64_t kToleranceNs = 1'000'000;

class Segment : public testing::Test {
 protected:
  SegmentWriter::Options options(std::uint32_t lane_lines = kLaneLinesMin) const {
    return {.directory = directory.path(),
            .profile_id = 7,
            .lane_lines = lane_lines,
            .names = {"order_monitor", "POST /v2/orders"},
            .script_name = 1};
  }
  SegmentWriter create() const {
    auto segment = SegmentWriter::create(options());
    if (!segment) throw std::runtime_error(segment.error().message);
    return std::move(*segment);
  }
  std::string only_name() const {
    const auto names = segment_names(directory.path());
    return names && names->size() == 1 ? names->front() : "";
  }
  Result<SegmentReader> open() const { return SegmentReader::open(directory.path(), only_name()); }
  // Overwrites bytes of the Segment as a scribbling bot would.
  template <typename T>
  void scribble(std::size_t offset, T value) const {
    const int fd = ::open((directory / only_name()).c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(::pwrite(fd, &value, sizeof value, static_cast<off_t>(offset)),
              static_cast<ssize_t>(sizeof value));
    ::close(fd);
  }
  void expect_refused(const std::string& why) const {
    const auto opened = open();
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().message, HasSubstr(why));
    EXPECT_THAT(opened.error().message, HasSubstr(only_name()));
    EXPECT_FALSE(opened.error().is_retryable);
  }

  TempDirectory directory;
};

TEST_F(Segment, SaysWhoseItIs) {
  const SegmentWriter writer = create();
  auto reader = open();
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ(reader->owner_pid(), static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(reader->owner_uid(), ::geteuid());
  EXPECT_EQ(reader->profile_id(), 7);
  EXPECT_EQ(reader->lane_lines(), kLaneLinesMin);
  EXPECT_EQ(reader->lane_count(), 0U);
  EXPECT_EQ(reader->script_name(), "order_monitor");
  EXPECT_EQ(reader->name_at(2), "POST /v2/orders");
  EXPECT_EQ(reader->name_at(0), "");
  EXPECT_EQ(reader->name_at(3), "");
  EXPECT_EQ(reader->name_at(kNamesMax), "");
  EXPECT_EQ(reader->name_at(65'535), "");
  EXPECT_TRUE(reader->is_whole());
  EXPECT_EQ("seg-", reader->name().substr(0, 4));
}

TEST_F(Segment, LeavesNoTemporaryNameAndCannotBeReadByOthers) {
  const SegmentWriter writer = create();
  struct stat info {};
  ASSERT_EQ(::stat(writer.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  EXPECT_EQ(info.st_nlink, 1U);
  for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
    EXPECT_FALSE(entry.path().filename().string().starts_with(kTemporaryPrefix));
}

TEST_F(Segment, GivesEverySegmentAnIdOfItsOwn) {
  const SegmentWriter first = create();
  auto reader = open();
  ASSERT_TRUE(reader);
  const std::string id(reader->id(), reader->id() + 16);
  const SegmentWriter second = create();
  EXPECT_NE(first.path(), second.path());
  const auto names = segment_names(directory.path());
  ASSERT_TRUE(names);
  ASSERT_EQ(names->size(), 2U);
  for (const std::string& name : *names) {
    auto other = SegmentReader::open(directory.path(), name);
    ASSERT_TRUE(other);
    if (name != reader->name()) {
      EXPECT_NE(std::string(other->id(), other->id() + 16), id);
    }
  }
}

TEST_F(Segment, CarriesRecordsThroughAClaimedLane) {
  SegmentWriter writer = create();
  auto reader = open();
  ASSERT_TRUE(reader);
  for (std::uint32_t lane = 0; lane < 3; ++lane) {
    auto lane_writer = writer.claim_lane();
    ASSERT_TRUE(lane_writer) << lane_writer.error().message;
    ASSERT_EQ(reader->lane_count(), lane + 1);
    EXPECT_TRUE(reader->is_lane_claimed(lane));
    EXPECT_FALSE(reader->is_lane_claimed(lane + 1));
    const RecordStamp stamp{
        .kind = RecordKind::trade, .flags = 0, .script = 1, .profile_id = 7, .stamp = lane};
    for (std::uint64_t i = 0; i < kLaneLinesMin; ++i)
      ASSERT_EQ(lane_writer->try_publish(stamp, FirstPayload{lane, i, 0}), Publish::ok);
    LaneReader lane_reader = reader->lane(lane, 0);
    RecordCopy copy{};
    for (std::uint64_t i = 0; i < kLaneLinesMin; ++i) {
      ASSERT_EQ(lane_reader.read(copy), Peeked::record);
      EXPECT_EQ(copy.head.stamp, lane);
      EXPECT_EQ(copy.head.ordinal, i);
    }
  }
}

TEST_F(Segment, IsFoundAgainByASidecarThatStartsLater) {
  SegmentWriter writer = create();
  auto lane = writer.claim_lane();
  ASSERT_TRUE(lane);
  const RecordStamp stamp{
      .kind = RecordKind::trade, .flags = 0, .script = 1, .profile_id = 7, .stamp = 5};
  for (int i = 0; i < 10; ++i) ASSERT_EQ(lane->try_publish(stamp, FirstPayload{}), Publish::ok);
  {
    auto first = open();
    ASSERT_TRUE(first);
    first->lane(0, 0).release(4);
  }
  auto second = open();
  ASSERT_TRUE(second);
  LaneReader reader = second->lane(0, 4);
  EXPECT_EQ(reader.released(), 4U);
  RecordCopy copy{};
  for (std::uint64_t i = 4; i < 10; ++i) {
    ASSERT_EQ(reader.read(copy), Peeked::record);
    EXPECT_EQ(copy.head.ordinal, i);
  }
}

TEST_F(Segment, HasAsManyLanesAsTheTableAndSaysWhenThereAreNoMore) {
  SegmentWriter writer = create();
  for (std::uint32_t i = 0; i < kLanesMax; ++i) ASSERT_TRUE(writer.claim_lane()) << i;
  const auto lane = writer.claim_lane();
  ASSERT_FALSE(lane);
  EXPECT_THAT(lane.error().message, HasSubstr("256 Lanes"));
}

TEST_F(Segment, RefusesNamesBeyondTheTable) {
  SegmentWriter writer = create();  // three names
  for (std::uint32_t i = 3; i < kNamesMax; ++i)
    ASSERT_EQ(writer.add_name("name " + std::to_string(i)), i);
  EXPECT_EQ(writer.add_name("one more"), std::nullopt);
  auto reader = open();
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->name_at(kNamesMax - 1), "name 511");
}

TEST_F(Segment, CutsNamesAt63BytesAndCopiesThemAtFirstUse) {
  SegmentWriter writer = create();
  ASSERT_EQ(writer.add_name(std::string(100, 'n')), 3);
  auto reader = open();
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->name_at(3), std::string(63, 'n'));
  scribble(kNameTableOffset + 3 * sizeof(NameEntry) + 1, 'X');
  EXPECT_EQ(reader->name_at(3), std::string(63, 'n'));
  scribble(kNameTableOffset + 2 * sizeof(NameEntry), std::uint8_t{255});  // an impossible length
  EXPECT_EQ(reader->name_at(2).size(), kNameBytesMax);
}

TEST_F(Segment, BoundsWhatABotSaysOfItsCounts) {
  const SegmentWriter writer = create();
  scribble(offsetof(SegmentHeader, lane_count), ~std::uint32_t{0});
  scribble(offsetof(SegmentHeader, name_count), ~std::uint32_t{0});
  scribble(offsetof(SegmentHeader, calibration_count), ~std::uint32_t{0});
  scribble(offsetof(SegmentHeader, script_name), std::uint16_t{60'000});
  auto reader = open();
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->lane_count(), kLanesMax);
  EXPECT_EQ(reader->name_at(65'535), "");
  EXPECT_EQ(reader->script_name(), "");
  EXPECT_FALSE(reader->calibrate(1, 1, kNsPerTick, 0));  // the table is full
}

// ── what a sidecar refuses, by name ──────────────────────────────────────────────────────────────

TEST_F(Segment, IsRefusedWithAWrongMagic) {
  const SegmentWriter writer = create();
  scribble(offsetof(SegmentHeader, magic), std::uint64_t{0});
  expect_refused("magic");
}

TEST_F(Segment, IsRefusedWithAnotherLayoutVersionThatIsNamed) {
  const SegmentWriter writer = create();
  scribble(offsetof(SegmentHeader, layout_version), kLayoutVersion + 1);
  expect_refused("layout version " + std::to_string(kLayoutVersion + 1));
  EXPECT_EQ(open().error().code, EPROTO);
}

TEST_F(Segment, IsRefusedWithAnIdThatIsNotItsNames) {
  const SegmentWriter writer = create();
  const auto id = segment_id_of(only_name());
  ASSERT_TRUE(id);
  scribble(offsetof(SegmentHeader, segment_id) + 15,
           static_cast<std::uint8_t>(id->back() ^ std::uint8_t{1}));
  expect_refused("id");
  for (const char* name :
       {"", "seg-", "seg-00", "tmp-00112233445566778899aabbccddeeff",
        "seg-00112233445566778899aabbccddeefg", "seg-00112233445566778899AABBCCDDEEFF"}) {
    EXPECT_FALSE(segment_id_of(name)) << name;
  }
}

TEST_F(Segment, IsRefusedWithAnImpossibleSize) {
  const SegmentWriter writer = create();
  ASSERT_EQ(::truncate(writer.path().c_str(), kLanesOffset + 64), 0);
  expect_refused("impossible size");
  ASSERT_EQ(::truncate(writer.path().c_str(), 100), 0);
  expect_refused("too short");
}

TEST_F(Segment, IsRefusedWithImpossibleLaneLines) {
  const SegmentWriter writer = create();
  for (const std::uint32_t lines : {0U, 1U, 127U, 129U, 64U, ~0U, kLaneLinesMax * 2}) {
    scribble(offsetof(SegmentHeader, lane_lines), lines);
    expect_refused("impossible size");
  }
}

TEST_F(Segment, IsRefusedWithAnUnknownClockOrNoCalibration) {
  const SegmentWriter writer = create();
  scribble(offsetof(SegmentHeader, calibration_count), std::uint32_t{0});
  expect_refused("no calibration");
  scribble(offsetof(SegmentHeader, clock), std::uint32_t{9});
  expect_refused("unknown clock");
}

TEST_F(Segment, IsNotReadThroughASymbolicLink) {
  const SegmentWriter writer = create();
  const TempDirectory elsewhere;
  ASSERT_EQ(::symlink(writer.path().c_str(), (elsewhere / "seg-link").c_str()), 0);
  const auto opened = SegmentReader::open(elsewhere.path(), "seg-link");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ELOOP);
}

TEST_F(Segment, MustBeARegularFile) {
  ASSERT_EQ(::mkfifo((directory / "seg-fifo").c_str(), 0600), 0);
  expect_refused("not a regular file");
}

TEST_F(Segment, OfNoBytesIsRefused) {
  std::ofstream(directory / "seg-empty").flush();
  expect_refused("too short");
}

TEST_F(Segment, TellsWhenItIsCutShortUnderTheReader) {
  const SegmentWriter writer = create();
  auto reader = open();
  ASSERT_TRUE(reader);
  ASSERT_EQ(::truncate(writer.path().c_str(), kLanesOffset), 0);
  EXPECT_FALSE(reader->is_whole());
}

TEST_F(Segment, ReadsAsZeroesOnceCutShortUnderTheReader) {
  SegmentWriter writer = create();
  ASSERT_TRUE(writer.claim_lane());
  auto reader = open();
  ASSERT_TRUE(reader);
  ASSERT_EQ(reader->lane_count(), 1U);
  EXPECT_FALSE(reader->is_torn());
  ASSERT_EQ(::truncate(writer.path().c_str(), 0), 0);
  EXPECT_EQ(reader->lane_count(), 0U);
  EXPECT_TRUE(reader->is_torn());
  RecordCopy copy;
  EXPECT_EQ(reader->lane(0, 0).read(copy), Peeked::empty);
  EXPECT_EQ(reader->name_at(1), "");
}

TEST_F(Segment, TellsWhenItWasCutShortAndGrownAgain) {
  SegmentWriter writer = create();
  ASSERT_TRUE(writer.claim_lane());
  auto reader = open();
  ASSERT_TRUE(reader);
  EXPECT_TRUE(reader->is_whole());
  const auto bytes = static_cast<off_t>(reader->mapped_bytes());
  ASSERT_EQ(::truncate(writer.path().c_str(), kLanesOffset), 0);
  ASSERT_EQ(::truncate(writer.path().c_str(), bytes), 0);
  EXPECT_FALSE(reader->is_whole());
}

// ── the directory ────────────────────────────────────────────────────────────────────────────────

TEST_F(Segment, GetsItsDirectoryMadeForOneUser) {
  const std::string made = directory / "new";
  ASSERT_TRUE(prepare_telemetry_directory(made));
  struct stat info {};
  ASSERT_EQ(::stat(made.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0700U);
  EXPECT_TRUE(prepare_telemetry_directory(made));  // and again
}

TEST_F(Segment, IsNotMadeWhereOthersMayWrite) {
  for (const mode_t mode : {0777U, 0770U, 0720U, 0702U}) {
    ASSERT_EQ(::chmod(directory.path().c_str(), mode), 0);
    const auto created = SegmentWriter::create(options());
    ASSERT_FALSE(created) << std::oct << mode;
    EXPECT_THAT(created.error().message, HasSubstr("may be written by others"));
  }
}

TEST_F(Segment, IsSharedWithTheGroupOfASharedDirectory) {
  ASSERT_EQ(::chmod(directory.path().c_str(), 03733), 0);
  const SegmentWriter writer = create();
  struct stat info {
  }, directory_info{};
  ASSERT_EQ(::stat(writer.path().c_str(), &info), 0);
  ASSERT_EQ(::stat(directory.path().c_str(), &directory_info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0660U);
  EXPECT_EQ(info.st_gid, directory_info.st_gid);
}

TEST_F(Segment, IsNotMadeBehindASymbolicLink) {
  const std::string link = directory / "link";
  ASSERT_EQ(::symlink("/dev/shm", link.c_str()), 0);
  const auto prepared = prepare_telemetry_directory(link);
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().code, ENOTDIR);
}

TEST_F(Segment, IsNotMadeInADirectoryOfAnotherUser) {
  // A directory of uid 65534, or, for whoever cannot make one, the one the kernel keeps for root
  // seen from a user namespace in which root is nobody.
  const int code = run_in_child([&] {
    std::string other = directory / "other";
    if (::geteuid() == 0) {
      ::mkdir(other.c_str(), 0700);
      if (::chown(other.c_str(), 65'534, 65'534) != 0) return 10;
    } else {
      const uid_t uid = ::geteuid();
      if (::unshare(CLONE_NEWUSER) != 0) return 0;  // root's directories are allowed outside of one
      std::ofstream("/proc/self/uid_map") << "1000 " << uid << " 1";
      other = "/proc/sys";
    }
    const auto prepared = prepare_telemetry_directory(other);
    if (prepared) return 11;
    return prepared.error().code == EPERM ? 0 : 12;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(Segment, SaysWhereItsDirectoryCannotBe) {
  std::ofstream(directory / "file").flush();
  SegmentWriter::Options elsewhere = options();
  elsewhere.directory = directory / "file/below";
  const auto below_a_file = SegmentWriter::create(elsewhere);
  ASSERT_FALSE(below_a_file);
  EXPECT_EQ(below_a_file.error().code, ENOTDIR);
  elsewhere.directory = directory / "no/such/parent";
  const auto without_parent = SegmentWriter::create(elsewhere);
  ASSERT_FALSE(without_parent);
  EXPECT_THAT(without_parent.error().message, HasSubstr(elsewhere.directory));
}

TEST_F(Segment, StaysClaimableAfterItsBotChangesDirectory) {
  const int code = run_in_child([&] {
    if (::chdir(directory.path().c_str()) != 0) return 1;
    SegmentWriter::Options relative = options();
    relative.directory = ".";
    auto segment = SegmentWriter::create(relative);
    if (!segment || ::chdir("/") != 0) return 2;
    return segment->claim_lane() ? 0 : 3;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(Segment, RefusesLaneLinesThatAreNoPowerOfTwo) {
  for (const std::uint32_t lines : {0U, 64U, 100U, 129U, kLaneLinesMax * 2}) {
    const auto created = SegmentWriter::create(options(lines));
    ASSERT_FALSE(created) << lines;
    EXPECT_EQ(created.error().code, EINVAL);
  }
}

// ── no room: a status, never a signal ────────────────────────────────────────────────────────────

// Makes the next posix_fallocate of this process find a full file system: a tmpfs of 192 KiB in a
// mount namespace of our own, or where that is not allowed, a filter that answers for the kernel.
bool fill_the_file_system(const std::string& directory, bool& is_tmpfs) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  is_tmpfs = ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
  if (is_tmpfs) {
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
    std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1";
    is_tmpfs = ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               ::mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=192k,mode=0700") == 0;
  }
  if (is_tmpfs) return true;
  // Only what is beyond the header, as on a file system that is nearly full.
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kLanesOffset, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSPC),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = sizeof code / sizeof code[0], .filter = code};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(Segment, RefusesALaneOnAFullFileSystemWithAStatusAndNoSignal) {
  const int code = run_in_child([&] {
    bool is_tmpfs = false;
    if (!fill_the_file_system(directory.path(), is_tmpfs)) return 1;
    auto segment = SegmentWriter::create(options(1024));  // 64 KiB a Lane
    if (!segment) return 2;
    if (is_tmpfs && !segment->claim_lane()) return 3;  // 192 KiB hold the header and one Lane
    const auto lane = segment->claim_lane();
    if (lane) return 4;
    if (lane.error().code != ENOSPC) return 5;
    return lane.error().message.find(segment->path()) == std::string::npos ? 6 : 0;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(Segment, IsRefusedOnAFullFileSystemWithAStatusAndNoSignal) {
  const int code = run_in_child([&] {
    bool is_tmpfs = false;
    if (!fill_the_file_system(directory.path(), is_tmpfs)) return 1;
    if (!is_tmpfs) return 0;  // the filter lets headers through: the Lane's test has said it
    const auto first = SegmentWriter::create(options());
    const auto second = SegmentWriter::create(options());
    if (!first || second) return 2;
    if (second.error().code != ENOSPC) return 3;
    const auto names = segment_names(directory.path());
    return names && names->size() == 1 ? 0 : 4;  // nothing is left behind
  });
  EXPECT_EQ(code, 0);
}

TEST_F(Segment, IsRefusedBeyondTheFileSizeLimitWithoutASignal) {
  const int code = run_in_child([&] {
    const rlimit limit{.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    const auto created = SegmentWriter::create(options());
    if (created) return 2;
    return created.error().code == EFBIG ? 0 : 3;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(Segment, RefusesALaneBeyondAFileSizeLimitSetLaterWithoutASignal) {
  const int code = run_in_child([&] {
    auto segment = SegmentWriter::create(options());
    if (!segment || !segment->claim_lane()) return 1;
    const rlimit limit{.rlim_cur = kLanesOffset, .rlim_max = kLanesOffset};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
    const auto lane = segment->claim_lane();
    if (lane) return 3;
    return lane.error().code == EFBIG ? 0 : 4;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(Segment, RefusesALaneWhenItsFileIsNotItsOwnAnyMore) {
  SegmentWriter writer = create();
  ASSERT_EQ(::unlink(writer.path().c_str()), 0);
  EXPECT_FALSE(writer.claim_lane());
  std::ofstream(writer.path()).flush();
  const auto lane = writer.claim_lane();
  ASSERT_FALSE(lane);
  EXPECT_EQ(lane.error().code, ESTALE);
}

// ── the owner's life ─────────────────────────────────────────────────────────────────────────────

TEST_F(Segment, IsLockedAsLongAsItsOwnerLives) {
  auto writer = std::make_unique<SegmentWriter>(create());
  auto reader = open();
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->owner_lock(), LockState::held);
  ASSERT_TRUE(writer->claim_lane());  // which opens and closes the file
  EXPECT_EQ(reader->owner_lock(), LockState::held);
  writer.reset();
  EXPECT_EQ(reader->owner_lock(), LockState::free);
}

TEST_F(Segment, IsUnlockedWhenItsOwnerIsKilled) {
  const test::Pipe made;
  test::ChildProcess bot([&] {
    const SegmentWriter writer = create();
    made.send('m');
    for (;;) ::pause();
    return 0;
  });
  ASSERT_EQ(made.receive(), 'm');
  auto reader = open();
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->owner_lock(), LockState::held);
  EXPECT_EQ(reader->owner_pid(), static_cast<std::uint32_t>(bot.pid()));
  bot.kill();
  EXPECT_EQ(reader->owner_lock(), LockState::free);
}

TEST_F(Segment, IsLetGoOfByAForkedChildThatAbandonsIt) {
  auto writer = std::make_unique<SegmentWriter>(create());
  auto reader = open();
  ASSERT_TRUE(reader);
  const test::Pipe abandoned;
  const test::ChildProcess child([&] {
    writer->abandon();
    abandoned.send('a');
    for (;;) ::pause();
    return 0;
  });
  ASSERT_EQ(abandoned.receive(), 'a');
  writer.reset();
  EXPECT_EQ(reader->owner_lock(), LockState::free);
}

TEST_F(Segment, ThatWasNeverFinishedIsRemovedOnceOldAndOnlyThen) {
  const auto make = [&](const char* name, int age_s) {
    std::ofstream(directory / name).flush();
    const timespec times[2] = {{.tv_sec = ::time(nullptr) - age_s, .tv_nsec = 0},
                               {.tv_sec = ::time(nullptr) - age_s, .tv_nsec = 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (directory / name).c_str(), times, 0), 0);
  };
  make("tmp-old", 120);
  make("tmp-young", 10);
  make("tmp-held", 120);
  make("other-old", 120);
  const FileDescriptor held(::open((directory / "tmp-held").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(try_lock(held.get()));
  remove_abandoned_temporaries(directory.path());
  EXPECT_FALSE(std::filesystem::exists(directory / "tmp-old"));
  EXPECT_TRUE(std::filesystem::exists(directory / "tmp-young"));
  EXPECT_TRUE(std::filesystem::exists(directory / "tmp-held"));
  EXPECT_TRUE(std::filesystem::exists(directory / "other-old"));
}

// ── time ─────────────────────────────────────────────────────────────────────────────────────────

TEST_F(Segment, TurnsStampsIntoWallTimeByTheFirstRatedPairOnBothSidesOfIt) {
  const SegmentWriter writer = create();
  auto reader = open();
  ASSERT_TRUE(reader);
  ASSERT_TRUE(reader->calibrate(1'000'000, 5'000'000'000, kNsPerTick, kToleranceNs));
  EXPECT_EQ(reader->wall_time_ns(1'000'000), 5'000'000'000);
  EXPECT_EQ(reader->wall_time_ns(1'000'200), 5'000'000'100);
  EXPECT_EQ(reader->wall_time_ns(999'800), 4'999'999'900);  // published before there was a sidecar
}

TEST_F(Segment, AppendsAPairOnlyWhenTheClockHasDriftedBeyondTheTolerance) {
  const SegmentWriter writer = create();
  auto reader = open();
  ASSERT_TRUE(reader);
  const std::uint64_t start = ticks_now() + 1'000'000'000;  // after the bot's own pair
  ASSERT_TRUE(reader->calibrate(start, 0, kNsPerTick, kToleranceNs));
  EXPECT_FALSE(reader->calibrate(start + 2'000'000'000, 1'000'900'000, kNsPerTick, kToleranceNs));
  EXPECT_TRUE(reader->calibrate(start + 2'000'000'000, 1'001'100'000, kNsPerTick, kToleranceNs));
  EXPECT_EQ(reader->wall_time_ns(start + 2'000'000'000), 1'001'100'000);
  EXPECT_EQ(reader->wall_time_ns(start + 1'000'000'000), 500'000'000);  // as it was told before
}

TEST_F(Segment, TurnsAStampIntoTheSameTimeAfterAnyRestart) {
  const SegmentWriter writer = create();
  const std::uint64_t start = ticks_now() + 1'000'000'000;
  std::vector<std::pair<std::uint64_t, std::int64_t>> told;
  std::int64_t wall = 1'700'000'000'000'000'000;
  for (std::uint64_t restart = 0; restart < 5; ++restart) {
    auto reader = open();
    ASSERT_TRUE(reader);
    for (const auto& [stamp, time] : told) EXPECT_EQ(reader->wall_time_ns(stamp), time);
    for (std::uint64_t step = 0; step < 3; ++step) {
      const std::uint64_t ticks = start + (restart * 3 + step) * 2'000'000'000;
      wall += 1'000'000'000 + (step == 1 ? 3'000'000 : 0);  // the clock is stepped now and then
      reader->calibrate(ticks, wall, kNsPerTick, kToleranceNs);
      for (const std::uint64_t later : {0ULL, 1ULL, 999'999'999ULL})
        told.emplace_back(ticks + later, reader->wall_time_ns(ticks + later));
    }
  }
}

TEST_F(Segment, HasPairsLeftAfterMuchDrift) {
  const SegmentWriter writer = create();
  auto reader = open();
  ASSERT_TRUE(reader);
  std::uint64_t ticks = ticks_now() + 1'000'000'000;
  std::int64_t wall = 0;
  int pairs = 0;
  for (int second = 0; second < 8'000; ++second) {  // two hours of a rate that is 1,000 ppm wrong
    ticks += 2'000'000'000;
    wall += 1'001'000'000;
    pairs += reader->calibrate(ticks, wall, kNsPerTick, kToleranceNs / 2) ? 1 : 0;
  }
  EXPECT_LT(pairs, static_cast<int>(kCalibrationPairsMax) - 1);
  wall += 3'600'000'000'000;  // a suspend is still noticed
  EXPECT_TRUE(reader->calibrate(ticks, wall, kNsPerTick, kToleranceNs / 2));
}

TEST_F(Segment, SurvivesPairsThatABotScribbled) {
  const SegmentWriter writer = create();
  scribble(offsetof(SegmentHeader, calibration),
           CalibrationPair{.ticks = ~0ULL, .wall_ns = kNoTime, .ns_per_tick_q32 = ~0ULL});
  auto reader = open();
  ASSERT_TRUE(reader);
  for (const std::uint64_t stamp : {0ULL, 1ULL << 63U, ~0ULL})
    static_cast<void>(reader->wall_time_ns(stamp));  // some time, and no undefined behaviour
}

}  // namespace
}  // namespace ddt
