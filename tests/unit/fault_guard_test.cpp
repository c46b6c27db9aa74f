// Mappings whose file shrinks while they are read; everything that is not theirs still ends the process.
#include "shm/fault_guard.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "shm/file.hpp"
#include "shm/mapping.hpp"

namespace ddt {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kPages = 8;

// A file of kPages pages full of 0xAB, and a mapping of it.
struct MappedFile {
  FileDescriptor file{::memfd_create("guarded", MFD_CLOEXEC)};
  Mapping mapping;

  MappedFile() {
    const std::vector<unsigned char> bytes(kPages * kPage, 0xAB);
    EXPECT_EQ(::write(file.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    auto mapped = Mapping::map(file.get(), bytes.size());
    EXPECT_TRUE(mapped);
    if (mapped) mapping = std::move(*mapped);
  }
  FaultGuard guard() const {
    auto made = FaultGuard::over(mapping.data(), mapping.size(), kPage);
    EXPECT_TRUE(made);
    return made ? std::move(*made) : FaultGuard();
  }
  void truncate(std::size_t bytes) const {
    ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(bytes)), 0);
  }
  std::atomic<unsigned char>& byte(std::size_t at) const {
    return *reinterpret_cast<std::atomic<unsigned char>*>(mapping.data() + at);
  }
};

// How a child ends that runs `body`: its signal, or 0 when it returns. No core file is left behind.
template <typename Body>
int signal_of(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGBUS, SIG_DFL);
    ::prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL);
    body();
    ::_exit(0);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(FaultGuard, ShowsTheFileAsLongAsItIsThere) {
  const MappedFile mapped;
  const FaultGuard guard = mapped.guard();
  EXPECT_EQ(mapped.byte(0), 0xAB);
  EXPECT_EQ(mapped.byte(kPages * kPage - 1), 0xAB);
  EXPECT_FALSE(guard.is_torn());
}

TEST(FaultGuard, LetsAReadOfATruncatedFileGoOnAndSaysSo) {
  for (const std::size_t left : {std::size_t{0}, std::size_t{1}, kPage, 3 * kPage + 7}) {
    const MappedFile mapped;
    const FaultGuard guard = mapped.guard();
    mapped.truncate(left);
    EXPECT_EQ(mapped.byte((kPages - 1) * kPage), 0) << left;
    EXPECT_TRUE(guard.is_torn()) << left;
    for (std::size_t at = 0; at < kPages * kPage; at += kPage)
      EXPECT_EQ(mapped.byte(at), 0) << "all of it is torn";
  }
}

TEST(FaultGuard, StaysTornWhenTheFileGrowsAgain) {
  const MappedFile mapped;
  const FaultGuard guard = mapped.guard();
  mapped.truncate(0);
  EXPECT_EQ(mapped.byte(kPage), 0);
  mapped.truncate(kPages * kPage);
  ASSERT_EQ(::pwrite(mapped.file.get(), "x", 1, kPage), 1);
  EXPECT_EQ(mapped.byte(kPage), 0);
  EXPECT_TRUE(guard.is_torn());
}

TEST(FaultGuard, LetsAWriteIntoItsFirstBytesGoOn) {
  const MappedFile mapped;
  const FaultGuard guard = mapped.guard();
  mapped.truncate(0);
  mapped.byte(5).store(1);
  EXPECT_TRUE(guard.is_torn());
  EXPECT_EQ(mapped.byte(5), 1) << "in memory of our own";
}

TEST(FaultGuard, HurtsNoOtherMapping) {
  const MappedFile torn, whole;
  const FaultGuard torn_guard = torn.guard(), whole_guard = whole.guard();
  torn.truncate(0);
  EXPECT_EQ(torn.byte(0), 0);
  EXPECT_EQ(whole.byte(0), 0xAB);
  EXPECT_FALSE(whole_guard.is_torn());
}

TEST(FaultGuard, IsThereForAsManyMappingsAsThereAre) {
  constexpr int kMappings = 300;
  std::vector<MappedFile> mapped(kMappings);
  std::vector<FaultGuard> guards;
  for (const MappedFile& one : mapped) guards.push_back(one.guard());
  for (int i = 0; i < kMappings; i += 7) mapped[static_cast<std::size_t>(i)].truncate(0);
  for (int i = 0; i < kMappings; ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_EQ(mapped[at].byte(kPage), i % 7 == 0 ? 0 : 0xAB);
    EXPECT_EQ(guards[at].is_torn(), i % 7 == 0);
  }
}

TEST(FaultGuard, ServesSeveralThreadsAtOnce) {
  for (int round = 0; round < 50; ++round) {
    const MappedFile mapped;
    const FaultGuard guard = mapped.guard();
    std::vector<std::thread> readers;
    std::atomic<bool> goes_on{true};
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&] {
        while (goes_on || !guard.is_torn()) {
          for (std::size_t at = 0; at < kPages * kPage; at += kPage)
            (void)mapped.byte(at).load(std::memory_order_relaxed);  // relaxed: whether it is there
        }
      });
    }
    mapped.truncate(0);
    goes_on = false;
    for (std::thread& reader : readers) reader.join();
    EXPECT_TRUE(guard.is_torn());
  }
}

TEST(FaultGuard, GivesItsPlaceBack) {
  const MappedFile mapped;
  for (int i = 0; i < 200'000; ++i) {  // three times what there is room for
    auto guard = FaultGuard::over(mapped.mapping.data(), mapped.mapping.size(), kPage);
    ASSERT_TRUE(guard);
    ASSERT_FALSE(guard->is_torn());
  }
}

TEST(FaultGuard, LeavesOtherFaultsToTheirEnd) {
  const MappedFile guarded, bare;
  const FaultGuard guard = guarded.guard();
  const auto under_the_handler = [&](auto body) {
    struct sigaction ours {};
    EXPECT_EQ(::sigaction(SIGBUS, nullptr, &ours), 0);
    return signal_of([&] {
      ::sigaction(SIGBUS, &ours, nullptr);
      body();
    });
  };
#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // their handlers report and exit
  EXPECT_EQ(under_the_handler([&] {
              bare.truncate(0);
              (void)bare.byte(0).load();
            }),
            SIGBUS)
      << "nobody guards it";
#endif
  EXPECT_EQ(under_the_handler([&] {
              guarded.truncate(0);
              (void)guarded.byte(0).load();
            }),
            0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(FaultGuard, LeavesASentSignalToItsEnd) {
  const MappedFile mapped;
  const FaultGuard guard = mapped.guard();
  struct sigaction ours {};
  ASSERT_EQ(::sigaction(SIGBUS, nullptr, &ours), 0);
  EXPECT_EQ(signal_of([&] {
              ::sigaction(SIGBUS, &ours, nullptr);
              ::kill(::getpid(), SIGBUS);
            }),
            SIGBUS);
}

TEST(FaultGuard, EndsWithItsGuard) {
  const MappedFile mapped;
  { const FaultGuard guard = mapped.guard(); }
  struct sigaction ours {};
  ASSERT_EQ(::sigaction(SIGBUS, nullptr, &ours), 0);
  EXPECT_EQ(signal_of([&] {
              ::sigaction(SIGBUS, &ours, nullptr);
              mapped.truncate(0);
              (void)mapped.byte(0).load();
            }),
            SIGBUS);
}
#endif

}  // namespace
}  // namespace ddt
