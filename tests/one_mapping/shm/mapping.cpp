#include "shm/mapping.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <vector>

#include "shm/file.hpp"

namespace ddt {
namespace {

// A part of a file that a Mapping shows.
struct Part {
  std::byte* begin;
  std::size_t bytes, offset;
  int fd;
};

struct File {
  dev_t device;
  ino_t inode;
  std::byte* base;  // of the whole file
  std::size_t bytes;
  std::vector<Part> parts;
};

// Ordered by this mutex are only those who map and unmap: a reader, once, when it opens a Segment.
struct Files {
  std::mutex mutex;
  std::vector<File> all;
};
Files& files() {
  static Files* const instance = new Files;  // never destroyed: threads may end after main
  return *instance;
}

// Past the sanitizer, which would take a new mapping for new memory and forget who wrote what.
bool show(const Part& part) noexcept {
  return ::syscall(SYS_mmap, part.begin, part.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                   part.fd, part.offset) == reinterpret_cast<long>(part.begin);
}
void hide(const Part& part) noexcept {
  ::syscall(SYS_mmap, part.begin, part.bytes, PROT_NONE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

std::byte* reserve(std::size_t bytes) noexcept {
  void* base =
      ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return base == MAP_FAILED ? nullptr : static_cast<std::byte*>(base);
}

File* find_or_add(const struct stat& info, std::size_t bytes) {
  auto& all = files().all;
  const auto found = std::ranges::find_if(all, [&](const File& file) {
    return file.device == info.st_dev && file.inode == info.st_ino;
  });
  if (found != all.end()) return bytes <= found->bytes ? &*found : nullptr;
  const std::size_t whole = std::max(bytes, static_cast<std::size_t>(info.st_size));
  std::byte* base = reserve(whole);
  if (base == nullptr) return nullptr;
  all.push_back({info.st_dev, info.st_ino, base, whole, {}});
  return &all.back();
}

}  // namespace

Result<Mapping> Mapping::map(int fd, std::size_t bytes, std::size_t offset) {
  const std::lock_guard lock(files().mutex);
  struct stat info {};
  if (::fstat(fd, &info) != 0) return last_error("map Segment");
  File* file = find_or_add(info, offset + bytes);
  if (file == nullptr)
    return Error{.message = "map Segment: no room at its address", .code = ENOMEM};
  Mapping mapping;
  mapping.data_ = file->base + offset;
  mapping.size_ = bytes;
  mapping.fd_ = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  const Part part{mapping.data_, bytes, offset, mapping.fd_};
  file->parts.push_back(part);
  if (!show(part)) return last_error("map Segment");
  return mapping;
}

Result<Mapping> Mapping::copy_of(int, std::size_t) {
  return Error{.message = "copy Segment: not for the thread sanitizer", .code = ENOSYS};
}

void Mapping::unmap() noexcept {
  if (size_ == 0) return;
  const std::lock_guard lock(files().mutex);
  auto& all = files().all;
  const auto file = std::ranges::find_if(
      all, [&](const File& one) { return data_ >= one.base && data_ < one.base + one.bytes; });
  const auto mine = std::ranges::find(file->parts, fd_, &Part::fd);
  const Part gone = *mine;
  file->parts.erase(mine);
  // What others see of it they see through their own opening from now on, without a moment in between. Who
  // maps more than the others is a reader: no lock goes with what is left of it until the last one goes.
  bool is_seen = false;
  for (const Part& part : file->parts) {
    if (part.begin >= gone.begin + gone.bytes || gone.begin >= part.begin + part.bytes) continue;
    is_seen = true;
    show(part);
  }
  if (!is_seen) hide(gone);
  ::close(fd_);
  if (file->parts.empty()) {
    ::munmap(file->base, file->bytes);
    all.erase(file);
  }
  data_ = nullptr;
  size_ = 0;
  fd_ = -1;
}

}  // namespace ddt
