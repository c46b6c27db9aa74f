// sidecar/drain/drain.hpp — reads every Lane of the telemetry directory into Blocks.
//
// Threads   One: the only reader of shared memory. work() does a bounded amount and says how much.
// Release   A Lane's lines go back to the bot when MySQL has committed them; on Redis's word only when MySQL
//           has not committed for mysql_silence_max_ns, the Lane fills up, and Redis has forgotten nothing
//           that MySQL does not have: it has said so within kRedisWordMaxNs.
// Bad data  A Record that cannot be understood is counted and kept as bytes; a Lane whose sequence, length or
//           counts are impossible is quarantined, and so is a Segment that was truncated or whose header was
//           written over; all others go on. What was read before is stored, and its account adds up.
// Idle      A silent Lane costs a turn one load, of the line that its next Record begins in, and a silent Segment
//           a scan one more; all else about them is looked at every round_interval_ns (bench/idle_bench).
// Turns     A Segment gives kRecordsPerVisitMax Records a visit, whatever it claims to have; a Lane that found no
//           room in the queue is the first one to be asked again.
// Ends      An owner whose lock is free is drained to the end once more, committed, marked, unlinked.
#pragma once

#include <boost/container/flat_map.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shm/segment.hpp"
#include "sidecar/batch_queue.hpp"
#include "sidecar/drain/block_builder.hpp"
#include "sidecar/drain/decode.hpp"
#include "sidecar/exchange.hpp"

namespace ddt::sidecar {

struct DrainConfig {
  std::string directory;
  std::int64_t flush_interval_ns = 10'000'000;  // 10 ms: what a dashboard does not notice
  std::int64_t scan_interval_ns = 200'000'000;  // new Segments and Lanes: first Records wait there
  // Clocks, owners that have ended, files that shrank, what silent Lanes have counted.
  std::int64_t round_interval_ns = 2'000'000'000;
  std::int64_t mysql_silence_max_ns = 2'000'000'000;
  std::size_t block_bytes_max = 1U << 20;  // a Block this large is sent at once
  std::size_t batch_bytes_max = 4U << 20;  // a journal entry stays far below Redis's limit
};

struct DrainCounters {
  std::uint64_t records = 0, rejected = 0, quarantined_lanes = 0, quarantined_segments = 0,
                refused_segments = 0, clock_steps = 0;
  DecodeCounts decode;
};

class Drain {
 public:
  // `starts`: Lanes that Redis or MySQL know from before. All collaborators outlive the drain.
  Drain(DrainConfig config, std::map<model::LaneName, StartPosition> starts, BatchQueue& batches,
        Exchange& exchange);
  ~Drain();

  // Reads, folds, sends, releases. Returns Records read (0: nothing to do, wait a little).
  std::size_t work(std::int64_t now_ns);

  // At shutdown: sends what is folded. False while the queue has no room for it.
  bool flush(std::int64_t now_ns);

  bool durability_is_redis() const noexcept { return redis_durability_; }
  const DrainCounters& counters() const noexcept { return counters_; }

 private:
  struct Lane;
  struct Segment;
  // Beside its Lane, so that a turn over all of them reads memory in one row.
  struct Watch {
    LaneReader reader;
    Segment* segment;
    Lane* lane;
  };

  std::size_t go_round();
  std::size_t visit_those_with_news();
  void order_watches();
  void unwatch(const Segment& segment);
  void scan_directory();
  void scan();
  bool may_have_changed(std::int64_t now_ns);
  void open_segment(const std::string& name);
  void find_new_lanes(Segment& segment);
  std::size_t visit(Segment& segment);
  std::size_t read_lane(Segment& segment, Lane& lane, std::size_t records_max);
  Peeked read_record(Segment& segment, Lane& lane);
  void add_record(Segment& segment, Lane& lane, BlockBuilder& builder, const RecordCopy& record);
  std::optional<Undecodable> add_sample(Segment& segment, BlockBuilder& builder,
                                        const RecordCopy& record);
  std::optional<Undecodable> add_event(Segment& segment, BlockBuilder& builder,
                                       const RecordCopy& record);
  void look_at_counts(const Segment& segment, Lane& lane);
  bool can_begin_at(const Segment& segment, LaneReader reader, std::uint64_t position);
  void quarantine(Lane& lane, std::string reason);
  void quarantine(Segment& segment, const std::string& reason);
  void calibrate(Segment& segment, bool is_first);
  void take_mail(std::int64_t now_ns);
  void release(Lane& lane);
  FillAnswer answer(const FillRequest& request);
  FillAnswer lost_all(const Lane& lane, const FillRequest& request, std::uint64_t published);
  void check(Segment& segment);
  void retire_those_done();
  void retire_if_done(Segment& segment);
  bool send_due(std::int64_t now_ns, bool all);
  void publish_views(std::int64_t now_ns);
  Lane* find(const model::LaneName& name);
  Segment* segment_of(const Lane& lane);

  const DrainConfig config_;
  std::map<model::LaneName, StartPosition> starts_;
  BatchQueue& batches_;
  Exchange& exchange_;
  boost::container::flat_map<std::string, std::unique_ptr<Segment>> segments_;  // by file name
  std::map<std::string, std::string> refused_;  // file name → why it is not read
  std::set<std::string> hopeless_;              // of them: nobody will ever read these
  std::map<model::LaneName, Lane*> lanes_;
  std::vector<Watch> watches_;     // every Lane; its `watch` is the index
  std::vector<Segment*> orphans_;  // their owners are gone
  DrainCounters counters_;
  bool redis_durability_ = false;  // MySQL is silent
  bool redis_is_witness_ = false;  // and Redis's word is fresh
  bool looks_at_counts_ = false;   // in this turn: as often as Blocks are sent
  model::LaneName send_from_;      // the Lane that found no room in the queue
  bool has_news_ = false;  // something was read, or looked at, since Blocks were last sent when due
  std::int64_t next_flush_ns_ = 0, next_scan_ns_ = 0, next_round_ns_ = 0, next_views_ns_ = 0,
               next_removal_ns_ = 0, next_listing_ns_ = 0;
  std::int64_t directory_changed_at_ns_ = 0;  // by its own clock, at the last listing
  std::uint64_t start_ticks_ = 0;
  std::int64_t start_monotonic_ns_ = 0;
  std::unique_ptr<RecordCopy> copy_;
};

}  // namespace ddt::sidecar
