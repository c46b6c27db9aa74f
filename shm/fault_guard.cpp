#include "shm/fault_guard.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>

#include "shm/file.hpp"

namespace ddt {

namespace {

constexpr std::size_t kSlotsMax = 65'536;  // as many mappings as vm.max_map_count allows

// Of the process, as signal handlers are. 2 MiB that cost nothing until they are used.
struct Table {
  std::array<FaultGuard::Slot, kSlotsMax> slots;
  std::atomic<std::size_t> slots_used{0};  // ever: the handler looks no further
  struct sigaction before {};
  std::mutex mutex;  // of those who make and end guards
  bool is_installed = false;
};
constinit Table guards;

FaultGuard::Slot* slot_of(std::uintptr_t address) noexcept {
  const std::size_t used = guards.slots_used.load(std::memory_order_acquire);  // pairs with over()
  for (std::size_t i = 0; i < used; ++i) {
    FaultGuard::Slot& slot = guards.slots[i];
    const std::uintptr_t begin = slot.begin.load(std::memory_order_acquire);  // pairs with over()
    if (begin == 0 || address < begin) continue;
    // Relaxed: filled before begin was; begin is looked at again.
    if (address >= slot.end.load(std::memory_order_relaxed)) continue;
    if (slot.begin.load(std::memory_order_acquire) == begin) return &slot;
  }
  return nullptr;
}

// The system call itself: what stands before it in a sanitizer's or another's library may not be safe here.
bool map_zeroes(std::uintptr_t begin, std::uintptr_t end, int protection) noexcept {
  if (begin == end) return true;
  return ::syscall(SYS_mmap, begin, end - begin, protection,
                   MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != -1;
}

bool tear(FaultGuard::Slot& slot) noexcept {
  const std::uintptr_t begin = slot.begin.load(std::memory_order_relaxed);  // slot_of has acquired
  const std::uintptr_t middle = slot.writable_end.load(std::memory_order_relaxed);
  const std::uintptr_t end = slot.end.load(std::memory_order_relaxed);
  slot.torn.store(true, std::memory_order_release);  // before the zeroes: pairs with is_torn()
  return map_zeroes(begin, middle, PROT_READ | PROT_WRITE) && map_zeroes(middle, end, PROT_READ);
}

void pass_on(int signal_number, siginfo_t* info, void* context) noexcept {
  const struct sigaction& before = guards.before;
  if ((before.sa_flags & SA_SIGINFO) != 0) {
    before.sa_sigaction(signal_number, info, context);
    return;
  }
  const bool was_sent = info->si_code <= 0;  // by kill or sigqueue, not by a fault
  if (before.sa_handler == SIG_IGN && was_sent) return;
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(signal_number);
    return;
  }
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  ::sigaction(signal_number, &action, nullptr);
  if (was_sent) ::raise(signal_number);  // a fault comes again by itself, with its core
}

void on_sigbus(int signal_number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  bool is_mended = false;
  if (info->si_code == BUS_ADRERR) {
    FaultGuard::Slot* slot = slot_of(reinterpret_cast<std::uintptr_t>(info->si_addr));
    is_mended = slot != nullptr && tear(*slot);
  }
  if (!is_mended) pass_on(signal_number, info, context);
  errno = saved_errno;
}

// With the mutex held.
Status install() {
  if (guards.is_installed) return Done{};
  struct sigaction action {};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(SIGBUS, &action, &guards.before) != 0) return last_error("handle SIGBUS");
  guards.is_installed = true;
  return Done{};
}

// With the mutex held.
FaultGuard::Slot* free_slot() noexcept {
  const std::size_t used = guards.slots_used.load(std::memory_order_relaxed);  // the mutex orders
  for (std::size_t i = 0; i < used; ++i) {
    if (guards.slots[i].begin.load(std::memory_order_relaxed) == 0) return &guards.slots[i];
  }
  if (used == kSlotsMax) return nullptr;
  guards.slots_used.store(used + 1, std::memory_order_release);  // pairs with slot_of
  return &guards.slots[used];
}

}  // namespace

Result<FaultGuard> FaultGuard::over(std::byte* begin, std::size_t bytes, std::size_t writable) {
  const std::lock_guard lock(guards.mutex);
  if (auto installed = install(); !installed) return installed.error();
  Slot* slot = free_slot();
  if (slot == nullptr)
    return Error{.message = "guard a mapping: 65,536 are guarded already", .code = EMFILE};
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  // Relaxed: begin publishes them.
  slot->torn.store(false, std::memory_order_relaxed);
  slot->end.store(address + bytes, std::memory_order_relaxed);
  slot->writable_end.store(address + std::min(writable, bytes), std::memory_order_relaxed);
  slot->begin.store(address, std::memory_order_release);  // pairs with slot_of
  return FaultGuard(slot);
}

FaultGuard::~FaultGuard() {
  if (slot_ == nullptr) return;
  const std::lock_guard lock(guards.mutex);
  slot_->begin.store(0, std::memory_order_release);
}

}  // namespace ddt
