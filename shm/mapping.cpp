#include "shm/mapping.hpp"

#include <unistd.h>

#include <boost/interprocess/anonymous_shared_memory.hpp>
#include <cerrno>
#include <cstring>

#include "shm/file.hpp"

namespace ddt {
namespace {

// What mapped_region asks of the thing it maps; it does not own the descriptor.
class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  boost::interprocess::mapping_handle_t get_mapping_handle() const { return {fd_, false}; }
  boost::interprocess::mode_t get_mode() const { return boost::interprocess::read_write; }

 private:
  int fd_;
};

}  // namespace

Result<Mapping> Mapping::map(int fd, std::size_t bytes, std::size_t offset) {
  try {
    Mapping mapping;
    mapping.region_ = boost::interprocess::mapped_region(
        OpenFile(fd), boost::interprocess::read_write,
        static_cast<boost::interprocess::offset_t>(offset), bytes);
    return mapping;
  } catch (const boost::interprocess::interprocess_exception& e) {
    return Error{.message = std::string("map Segment: ") + e.what(), .code = e.get_native_error()};
  }
}

Result<Mapping> Mapping::copy_of(int fd, std::size_t bytes) {
  Mapping mapping;
  try {
    mapping.region_ = boost::interprocess::anonymous_shared_memory(bytes);
  } catch (const boost::interprocess::interprocess_exception& e) {
    return Error{.message = std::string("copy Segment: ") + e.what(), .code = e.get_native_error()};
  }
  std::size_t copied = 0;
  while (copied < bytes) {
    const ssize_t got =
        ::pread(fd, mapping.data() + copied, bytes - copied, static_cast<off_t>(copied));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return last_error("copy Segment");
    if (got == 0) return Error{.message = "copy Segment: truncated", .code = EINVAL};
    copied += static_cast<std::size_t>(got);
  }
  return mapping;
}

}  // namespace ddt
