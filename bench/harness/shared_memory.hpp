// bench/harness/shared_memory.hpp — one object that a process and the children it forks both see.
#pragma once

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <new>

namespace ddt::bench {

// Unmapped with munmap(…, sizeof(T)). A benchmark without it cannot begin: exits with 2.
template <typename T>
T* map_shared() {
  void* memory =
      ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("bench: mmap");
    std::exit(2);
  }
  return new (memory) T{};
}

}  // namespace ddt::bench
