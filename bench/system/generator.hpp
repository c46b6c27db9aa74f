// bench/system/generator.hpp — bots that keep a pace: some threads, each with its share of the Segments.
//
// A bot speaks as a trading loop does: at each turn ten Records at once, six latencies, an own metric, two states
// and a fact. In each tick of 10 ms so many bots have their turn that the pace is kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace ddt::bench {

struct GeneratorOptions {
  std::string directory;
  std::int32_t profiles = 100;
  std::int32_t segments_per_profile = 3;
  std::uint32_t threads = 3;
  double records_per_second = 100'000;
};

class Generator {
 public:
  // Returns when every Segment is there.
  explicit Generator(GeneratorOptions options);
  ~Generator();  // stop()
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  // No Record is published after it. The Segments stay until the object goes.
  void stop();
  std::uint64_t published() const noexcept { return published_; }  // refused ones included
  std::uint64_t refused() const noexcept { return refused_; }

 private:
  void run(std::uint32_t thread);

  const GeneratorOptions options_;
  std::atomic<bool> stops_{false}, may_end_{false};
  std::atomic<std::uint32_t> ready_{0};
  std::atomic<std::uint64_t> published_{0}, refused_{0};
  std::vector<std::thread> threads_;
};

}  // namespace ddt::bench
