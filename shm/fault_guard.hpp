// shm/fault_guard.hpp — survives a mapped file that is truncated under its reader.
//
// A load from a mapping beyond the file's end is SIGBUS, and asking for the size first is a race. So the handler
// puts zeroes over the whole guarded mapping (MAP_FIXED, anonymous), marks it torn and lets the load go on; the
// reader asks is_torn() before it believes what it has copied. Growing the file again changes nothing: what was
// torn never shows the file any more.
//
// Threads   Guards are made and ended by any thread (one mutex). The handler takes no lock and calls only mmap,
//           sigaction and raise as plain system calls; it may run in several threads at once. A thread that
//           reads must not block SIGBUS: the kernel ends a process whose fault cannot be delivered.
// Process   The first guard installs the handler for good. Faults outside of guarded mappings, other causes of
//           SIGBUS (alignment, broken memory) and signals sent by kill go to the handler that was there before,
//           by default to a core. Only for those who read Segments: never in a bot.
// Errors    A full table (65,536: the kernel allows no more mappings) leaves the mapping unguarded: open refuses.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "shm/base/result.hpp"

namespace ddt {

class FaultGuard {
 public:
  FaultGuard() = default;
  // Guards [begin, begin + bytes), whole pages. The first `writable` bytes may be written by the reader and stay
  // so once torn; the rest may only be read then, so that zeroes cost neither memory nor commit charge.
  static Result<FaultGuard> over(std::byte* begin, std::size_t bytes, std::size_t writable);
  FaultGuard(FaultGuard&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  FaultGuard& operator=(FaultGuard&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~FaultGuard();  // before the mapping goes

  bool is_torn() const noexcept {
    return slot_ != nullptr && slot_->torn.load(std::memory_order_acquire);
  }

  // What the handler looks at. A slot counts while begin is not 0. It is filled end first and begin last, and
  // emptied begin first; the thread that faults inside a mapping holds its guard, so the slot it looks for does
  // not change meanwhile.
  struct Slot {
    std::atomic<std::uintptr_t> begin{0};
    std::atomic<std::uintptr_t> end{0};
    std::atomic<std::uintptr_t> writable_end{0};
    std::atomic<bool> torn{false};
  };

 private:
  explicit FaultGuard(Slot* slot) noexcept : slot_(slot) {}
  Slot* slot_ = nullptr;
};

}  // namespace ddt
