#include "shm/segment.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include "shm/base/utf8.hpp"

namespace ddt {
namespace {

constexpr std::size_t kPageBytes = 4096;

std::string hex(const std::uint8_t* bytes, std::size_t count) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text.push_back(kDigits[bytes[i] >> 4U]);
    text.push_back(kDigits[bytes[i] & 15U]);
  }
  return text;
}

Result<FileDescriptor> create_file(const std::string& path, mode_t mode) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) return last_error("create Segment " + path);
  return FileDescriptor(fd);
}

// A file beyond the process's own limit would cost the bot a SIGXFSZ: look first.
Status check_file_size_limit(std::size_t bytes) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes) {
    return Error{.message = "a Segment of " + std::to_string(bytes) +
                            " bytes is beyond the file size limit (RLIMIT_FSIZE) of " +
                            std::to_string(limit.rlim_cur),
                 .code = EFBIG};
  }
  return Done{};
}

Status reserve(int fd, std::size_t offset, std::size_t bytes, const std::string& path) {
  if (auto fits = check_file_size_limit(offset + bytes); !fits) return fits;
  constexpr int kInterruptsMax = 100;  // a bot's profiling timer interrupts tmpfs's fallocate
  int code = EINTR;
  for (int i = 0; code == EINTR && i < kInterruptsMax; ++i)
    code = ::posix_fallocate(fd, static_cast<off_t>(offset), static_cast<off_t>(bytes));
  if (code == 0) return Done{};
  errno = code;
  return last_error("reserve " + std::to_string(bytes) + " bytes in " + path);
}

// Every page gets its frame now, so that the first publish does not pay for it.
void touch(std::byte* begin, std::size_t bytes) noexcept {
  for (std::size_t i = 0; i < bytes; i += kPageBytes) {
    reinterpret_cast<std::atomic<std::uint8_t>*>(begin + i)->store(
        0, std::memory_order_relaxed);  // no reader yet
  }
}

}  // namespace

std::string default_telemetry_directory() {
  const char* directory = std::getenv("DDT_DIR");
  return directory != nullptr && *directory != '\0' ? directory : "/dev/shm/ddt";
}

Status prepare_telemetry_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return last_error("create directory " + directory);
  struct stat info {};
  if (::lstat(directory.c_str(), &info) != 0) return last_error("look at directory " + directory);
  if (!S_ISDIR(info.st_mode))
    return Error{.message = directory + " is not a directory", .code = ENOTDIR};
  const bool is_shared = (info.st_mode & 07777U) == 03733;  // the sidecar's, for several users
  if (info.st_uid != ::geteuid() && info.st_uid != 0 && !is_shared) {
    return Error{
        .message = directory + " belongs to uid " + std::to_string(info.st_uid) + ", not to us",
        .code = EPERM};
  }
  if (info.st_uid == ::geteuid() && !is_shared && (info.st_mode & 022U) != 0) {
    return Error{.message = directory + " may be written by others: make it 0700 or 3733",
                 .code = EPERM};
  }
  if ((info.st_mode & 022U) != 0 && (info.st_mode & S_ISVTX) == 0) {
    return Error{.message = directory + " may be written by others and is not sticky",
                 .code = EPERM};
  }
  return Done{};
}

LaneControl* SegmentWriter::lane_control(std::uint32_t lane) const noexcept {
  return reinterpret_cast<LaneControl*>(mapping_.data() + kLaneTableOffset) + lane;
}

Result<SegmentWriter> SegmentWriter::create(const Options& options) {
  if (!is_valid_lane_lines(options.lane_lines)) {
    return Error{.message = "lane_lines must be a power of two from 128 to 4194304",
                 .code = EINVAL};
  }
  const std::size_t bytes = segment_bytes(options.lane_lines);
  if (auto fits = check_file_size_limit(bytes); !fits) return fits.error();
  if (auto prepared = prepare_telemetry_directory(options.directory); !prepared)
    return prepared.error();
  std::uint8_t id[16];
  if (::getrandom(id, sizeof id, 0) != static_cast<ssize_t>(sizeof id))
    return last_error("draw a Segment id");
  struct stat directory_info {};
  if (::stat(options.directory.c_str(), &directory_info) != 0)
    return last_error("look at " + options.directory);
  const mode_t mode = (directory_info.st_mode & S_ISGID) != 0 ? 0660 : 0600;
  std::error_code ignored;  // absolute: the bot may change its directory before it claims a Lane
  const std::filesystem::path absolute = std::filesystem::absolute(options.directory, ignored);
  const std::string base = (ignored ? options.directory : absolute.string()) + "/";
  const std::string temporary = base + std::string(kTemporaryPrefix) + hex(id, sizeof id);
  auto file = create_file(temporary, mode);
  if (!file) return file.error();
  const struct Unlink {  // the temporary name never outlives this function
    const std::string& path;
    ~Unlink() { ::unlink(path.c_str()); }
  } unlink_temporary{temporary};

  ::fchmod(file->get(), mode);  // past the umask
  if (!try_lock(file->get())) return last_error("lock " + temporary);
  if (auto reserved = reserve(file->get(), 0, kLanesOffset, temporary); !reserved)
    return reserved.error();
  if (::ftruncate(file->get(), static_cast<off_t>(bytes)) != 0)
    return last_error("size " + temporary);
  struct stat info {};
  if (::fstat(file->get(), &info) != 0) return last_error("look at " + temporary);
  auto mapping = Mapping::map(file->get(), kLanesOffset);
  if (!mapping) return mapping.error();

  SegmentWriter segment;
  segment.mapping_ = std::move(*mapping);
  segment.lane_lines_ = options.lane_lines;
  segment.path_ = base + std::string(kSegmentPrefix) + hex(id, sizeof id);
  segment.device_ = info.st_dev;
  segment.inode_ = info.st_ino;
  touch(segment.mapping_.data(), kLanesOffset);
  SegmentHeader* header = segment.header();
  header->layout_version = kLayoutVersion;
  header->lane_lines = options.lane_lines;
  std::memcpy(header->segment_id, id, sizeof id);
  header->owner_pid = static_cast<std::uint32_t>(::getpid());
  header->owner_uid = ::geteuid();
  header->profile_id = options.profile_id;
  header->clock = kTickClock;
  header->created_wall_ns = wall_ns();
  header->calibration[0] = {.ticks = ticks_now(), .wall_ns = wall_ns(), .ns_per_tick_q32 = 0};
  header->calibration_count.store(1, std::memory_order_relaxed);  // magic's release publishes it
  segment.add_name("");
  for (const std::string& name : options.names) segment.add_name(name);
  header->script_name = options.script_name;
  header->magic.store(kSegmentMagic, std::memory_order_release);
  if (::link(temporary.c_str(), segment.path_.c_str()) != 0)
    return last_error("link " + segment.path_);
  return segment;  // the descriptor closes here; the lock stays with the mapping
}

Result<LaneWriter> SegmentWriter::claim_lane() {
  SegmentHeader* header = this->header();
  const std::uint32_t lane =
      header->lane_count.load(std::memory_order_relaxed);  // only we write it
  if (lane >= kLanesMax)
    return Error{.message = "all 256 Lanes of the Segment are claimed", .code = ENOSPC};
  // The descriptor was closed after mmap; opening the file again does not touch the lock.
  const FileDescriptor file(::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return last_error("open " + path_);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || info.st_dev != device_ || info.st_ino != inode_) {
    return Error{.message = path_ + " is not our Segment any more", .code = ESTALE};
  }
  const std::size_t bytes = static_cast<std::size_t>(lane_lines_) * kLineBytes;
  if (auto reserved = reserve(file.get(), lane_offset(lane, lane_lines_), bytes, path_);
      !reserved) {
    return reserved.error();
  }
  auto mapping = Mapping::map(file.get(), bytes, lane_offset(lane, lane_lines_));
  if (!mapping) return mapping.error();
  std::byte* lines = mapping->data();
  ::madvise(lines, bytes, MADV_DONTDUMP);  // the file itself outlives a crash
  touch(lines, bytes);
  lane_mappings_.push_back(std::move(*mapping));
  LaneControl* control = lane_control(lane);
  control->claimed.store(1, std::memory_order_release);           // pairs with is_lane_claimed
  header->lane_count.store(lane + 1, std::memory_order_release);  // pairs with lane_count
  return LaneWriter(lines, lane_lines_, control);
}

std::optional<std::uint16_t> SegmentWriter::add_name(std::string_view text) {
  SegmentHeader* header = this->header();
  const std::uint32_t index =
      header->name_count.load(std::memory_order_relaxed);  // only we write it
  if (index >= kNamesMax) return std::nullopt;
  auto* entry = reinterpret_cast<NameEntry*>(mapping_.data() + kNameTableOffset) + index;
  const std::size_t bytes = std::min<std::size_t>(text.size(), kNameBytesMax);
  std::memcpy(entry->text, text.data(), bytes);
  entry->bytes = static_cast<std::uint8_t>(bytes);
  header->name_count.store(index + 1, std::memory_order_release);  // pairs with name_at
  return static_cast<std::uint16_t>(index);
}

// ── the sidecar's side ──────────────────────────────────────────────────────────────────────────

Result<SegmentReader> SegmentReader::open(const std::string& directory, const std::string& name,
                                          Access access) {
  const std::string path = directory + "/" + name;
  SegmentReader segment;
  segment.name_ = name;
  const int access_flag = access == Access::shared ? O_RDWR : O_RDONLY;
  segment.fd_ =
      FileDescriptor(::open(path.c_str(), access_flag | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!segment.fd_) return last_error("open Segment " + path);
  struct stat info {};
  if (::fstat(segment.fd_.get(), &info) != 0) return last_error("look at Segment " + path);
  if (!S_ISREG(info.st_mode))
    return Error{.message = path + ": not a regular file", .code = EINVAL};
  segment.owner_uid_ = info.st_uid;  // the file's owner, not what the header claims
  if (info.st_size < static_cast<off_t>(kLanesOffset))
    return Error{.message = path + ": too short", .code = EINVAL};
  alignas(SegmentHeader) std::byte copy[sizeof(SegmentHeader)];
  if (::pread(segment.fd_.get(), copy, sizeof copy, 0) != static_cast<ssize_t>(sizeof copy)) {
    return last_error("read Segment header of " + path);
  }
  const auto* header = reinterpret_cast<const SegmentHeader*>(copy);
  if (header->magic.load(std::memory_order_relaxed) != kSegmentMagic) {  // relaxed: a private copy
    return Error{.message = path + ": no Segment (magic)", .code = EINVAL};
  }
  if (header->layout_version != kLayoutVersion) {
    return Error{.message = path + ": layout version " + std::to_string(header->layout_version) +
                            ", this sidecar reads version " + std::to_string(kLayoutVersion),
                 .code = EPROTO};
  }
  if (!is_valid_lane_lines(header->lane_lines) ||
      info.st_size != static_cast<off_t>(segment_bytes(header->lane_lines))) {
    return Error{.message = path + ": impossible size", .code = EINVAL};
  }
  if (header->clock != ClockKind::tsc && header->clock != ClockKind::monotonic) {
    return Error{.message = path + ": unknown clock", .code = EINVAL};
  }
  const auto id = segment_id_of(name);
  if (!id || std::memcmp(id->data(), header->segment_id, id->size()) != 0) {
    return Error{.message = path + ": its id is not its name's", .code = EINVAL};
  }
  segment.lane_lines_ = header->lane_lines;
  segment.owner_pid_ = header->owner_pid;
  segment.profile_id_ = header->profile_id;
  segment.script_name_ = header->script_name;
  segment.clock_ = header->clock;
  std::memcpy(segment.id_, header->segment_id, sizeof segment.id_);
  const std::uint32_t pairs =
      std::min(header->calibration_count.load(std::memory_order_relaxed), kCalibrationPairsMax);
  segment.pairs_.assign(header->calibration, header->calibration + pairs);
  if (segment.pairs_.empty()) return Error{.message = path + ": no calibration", .code = EINVAL};
  segment.names_.resize(kNamesMax);
  auto mapping = access == Access::shared
                     ? Mapping::map(segment.fd_.get(), segment_bytes(segment.lane_lines_))
                     : Mapping::copy_of(segment.fd_.get(), kLanesOffset);
  if (!mapping) return mapping.error();
  segment.mapping_ = std::move(*mapping);
  struct statfs file_system {};
  constexpr auto kTmpfs = 0x01021994;  // TMPFS_MAGIC of <linux/magic.h>
  segment.is_on_tmpfs_ =
      ::fstatfs(segment.fd_.get(), &file_system) == 0 && file_system.f_type == kTmpfs;
  if (access == Access::copy) return segment;  // nothing that could be pulled away
  auto guard = FaultGuard::over(segment.mapping_.data(), segment.mapping_.size(), kLanesOffset);
  if (!guard) return guard.error();
  segment.guard_ = std::move(*guard);
  return segment;
}

bool SegmentReader::is_whole() noexcept {
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0) return false;
  if (info.st_size < static_cast<off_t>(mapping_.size())) return false;
  // Truncated and grown again between two looks, or punched: its memory is gone, and zeroes look like Lanes
  // that were never written. tmpfs counts exactly what it holds; elsewhere compression may shrink a file.
  if (!is_on_tmpfs_) return true;
  const bool has_shrunk = info.st_blocks < blocks_seen_;
  blocks_seen_ = std::max<std::int64_t>(blocks_seen_, info.st_blocks);
  return !has_shrunk;
}

bool SegmentReader::is_header_intact() const noexcept {
  const SegmentHeader* now = header();
  // Acquire: pairs with create(), which has written the rest before it.
  return now->magic.load(std::memory_order_acquire) == kSegmentMagic &&
         now->layout_version == kLayoutVersion && now->lane_lines == lane_lines_ &&
         now->clock == clock_ && std::memcmp(now->segment_id, id_, sizeof id_) == 0;
}

std::uint32_t SegmentReader::lane_count() const noexcept {
  return std::min(header()->lane_count.load(std::memory_order_acquire), kLanesMax);
}

bool SegmentReader::is_lane_claimed(std::uint32_t lane) const noexcept {
  return lane_control(lane)->claimed.load(std::memory_order_acquire) == 1;
}

LaneControl* SegmentReader::lane_control(std::uint32_t lane) const noexcept {
  return reinterpret_cast<LaneControl*>(mapping_.data() + kLaneTableOffset) + lane;
}

LaneReader SegmentReader::lane(std::uint32_t lane, std::uint64_t start) const noexcept {
  return {mapping_.data() + lane_offset(lane, lane_lines_), lane_lines_, lane_control(lane), start};
}

const std::string& SegmentReader::name_at(std::uint16_t index) {
  static const std::string kNone;
  if (index >= kNamesMax) return kNone;
  auto& name = names_[index];
  if (!name) {
    if (index >= header()->name_count.load(std::memory_order_acquire)) return kNone;
    NameEntry entry;
    std::memcpy(&entry, mapping_.data() + kNameTableOffset + index * sizeof(NameEntry),
                sizeof entry);
    if (is_torn()) return kNone;
    name.emplace(entry.text, std::min<std::size_t>(entry.bytes, kNameBytesMax));
    // It goes into keys, rows and JSON: what no store takes would stop the Records of others, too.
    if (!is_utf8(*name)) replace_non_ascii(*name);
    for (char& c : *name) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
    }
  }
  return *name;
}

// The last pair that is not after the stamp. The bot's own has no rate: the first one that has serves both
// sides of it.
const CalibrationPair& SegmentReader::pair_for(std::uint64_t stamp) const noexcept {
  std::size_t i = pairs_.size() - 1;
  while (i > 0 && (pairs_[i].ticks > stamp || pairs_[i].ns_per_tick_q32 == 0)) --i;
  while (i + 1 < pairs_.size() && pairs_[i].ns_per_tick_q32 == 0) ++i;
  return pairs_[i];
}

bool SegmentReader::calibrate(std::uint64_t ticks, std::int64_t wall, std::uint64_t ns_per_tick_q32,
                              std::int64_t tolerance_ns) {
  constexpr std::size_t kPairsPerDoubling = 16;
  const bool has_rate = pairs_.back().ns_per_tick_q32 != 0;
  if (has_rate) {
    __extension__ using Wide = __int128;  // a pair that the bot has forged may say any time
    const Wide drift = static_cast<Wide>(wall_time_ns(ticks)) - wall;
    const std::int64_t tolerated = tolerance_ns << (pairs_.size() / kPairsPerDoubling);
    if (drift <= tolerated && drift >= -tolerated) return false;
  }
  if (pairs_.size() >= kCalibrationPairsMax) return false;
  const CalibrationPair pair{.ticks = ticks, .wall_ns = wall, .ns_per_tick_q32 = ns_per_tick_q32};
  header()->calibration[pairs_.size()] = pair;
  pairs_.push_back(pair);
  header()->calibration_count.store(static_cast<std::uint32_t>(pairs_.size()),
                                    std::memory_order_release);
  return true;
}

std::optional<std::array<std::uint8_t, 16>> segment_id_of(std::string_view name) noexcept {
  std::array<std::uint8_t, 16> id{};
  if (!name.starts_with(kSegmentPrefix)) return std::nullopt;
  name.remove_prefix(kSegmentPrefix.size());
  if (name.size() != 2 * id.size()) return std::nullopt;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    id[i / 2] = static_cast<std::uint8_t>(id[i / 2] * 16 + digit);
  }
  return id;
}

Result<std::vector<std::string>> segment_names(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(directory.c_str()), &::closedir);
  if (!entries) return last_error("list " + directory);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    if (name.starts_with(kSegmentPrefix)) names.emplace_back(name);
  }
  return names;
}

void remove_abandoned_temporaries(const std::string& directory) noexcept {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(directory.c_str()), &::closedir);
  if (!entries) return;
  constexpr std::int64_t kAbandonedAfterS = 60;
  while (const dirent* entry = ::readdir(entries.get())) {
    if (!std::string_view(entry->d_name).starts_with(kTemporaryPrefix)) continue;
    const FileDescriptor file(::openat(::dirfd(entries.get()), entry->d_name,
                                       O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat info {};
    if (!file || ::fstat(file.get(), &info) != 0 || lock_state(file.get()) != LockState::free)
      continue;
    if (wall_ns() / kNsPerSecond - info.st_mtime > kAbandonedAfterS)
      ::unlinkat(::dirfd(entries.get()), entry->d_name, 0);
  }
}

bool remove_abandoned_segment(const std::string& directory, const std::string& name) noexcept {
  constexpr std::int64_t kAbandonedAfterS = 600;
  const std::string path = directory + "/" + name;
  const FileDescriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  if (lock_state(file.get()) != LockState::free) return false;
  if (wall_ns() / kNsPerSecond - info.st_mtime <= kAbandonedAfterS) return false;
  return ::unlink(path.c_str()) == 0;
}

}  // namespace ddt
