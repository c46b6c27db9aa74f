// Every interleaving of one writer and one reader over a Lane of four lines, on the real code, with every value that
// release/acquire lets a load return, and a kill of either side before every access.
//
// DDT_LANE_MODEL_DEPTH (default 1): 2 and more add longer programs and more restarts of the reader.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "sidecar/drain/lane_rules.hpp"
#include "tests/model/lane_sides.hpp"

namespace ddt::model_check {
namespace {

using What = Attempt::What;

struct Program {
  std::vector<Attempt> attempts;
  std::uint8_t reader_restarts = 1;
  bool writer_may_die = true;
};

// All that a moment consists of.
struct State {
  SharedState shared;
  std::uint32_t writer, reader;  // nodes
  std::uint8_t committed, committed_records;
  std::uint8_t writer_is_dead, reader_restarts;
};

struct Explored {
  std::size_t states = 0, ends = 0;
  std::string violation;  // "" = none
};

class Explorer {
 public:
  Explorer(const Program& program, Mutant mutant)
      : program_(program), mutant_(mutant), writers_(mutant), readers_(mutant) {
    writers_.attempts = program.attempts;
  }

  Explored explore() {
    Explored explored;
    std::vector<std::pair<State, std::uint32_t>> open;
    try {
      open.emplace_back(first(), 0);
      id_of(open.back().first);
      while (!open.empty()) {
        auto [state, id] = std::move(open.back());
        open.pop_back();
        std::vector<State> next = successors(state);
        if (next.empty()) {
          check_end(state);
          ends_.push_back(id);
        }
        for (State& successor : next) {
          const auto [successor_id, is_new] = id_of(successor);
          edges_.emplace_back(successor_id, id);
          if (is_new) open.emplace_back(std::move(successor), successor_id);
        }
      }
      check_no_state_is_stuck();
    } catch (const Violation& violation) {
      explored.violation = violation.what();
    }
    explored.states = ids_.size();
    explored.ends = ends_.size();
    return explored;
  }

 private:
  State first() {
    State state;
    std::memset(static_cast<void*>(&state), 0, sizeof state);
    state.shared.begin();
    WriterLocal writer = zeroed<WriterLocal>();
    writer.writer = Writer(Run::lines, kLinesMax, &Run::control);
    state.writer = settled_writer(writers_.between_calls(writer));
    state.reader = new_reader();
    return state;
  }
  template <typename Local>
  static Local zeroed() {
    Local local;
    std::memset(static_cast<void*>(&local), 0, sizeof local);
    return local;
  }
  std::uint32_t new_reader() {
    ReaderLocal reader = zeroed<ReaderLocal>();
    reader.reader = Reader(Run::lines, kLinesMax, &Run::control, 0);
    return readers_.between_calls(reader);
  }

  // ── steps ────────────────────────────────────────────────────────────────────────────────────────
  std::vector<State> successors(const State& state) {
    std::vector<State> next;
    const Node& writer = writers_.node(state.writer);
    if (state.writer_is_dead == 0 && writer.call != 0) {
      step(state, *writer.access, true, next);
      if (program_.writer_may_die) next.emplace_back(state).writer_is_dead = 1;
    }
    const ReaderLocal& local = readers_.local(readers_.node(state.reader).local);
    if (local.is_done != 0 && readers_.node(state.reader).call == 0) return next;
    if (state.reader_restarts < program_.reader_restarts) {
      State& restarted = next.emplace_back(state);
      ++restarted.reader_restarts;
      restarted.reader = new_reader();
      if (mutant_ == Mutant::restart_at_next)
        restarted.committed = static_cast<std::uint8_t>(local.reader.next());
    }
    if (readers_.node(state.reader).call != 0) {
      step(state, *readers_.node(state.reader).access, false, next);
    } else {
      reader_decides(state, local, next);
    }
    return next;
  }

  // One access of a side: once for every value it may get.
  void step(const State& state, const Access& access, bool by_writer, std::vector<State>& next) {
    const bool is_store =
        access.kind != Access::Kind::load && access.kind != Access::Kind::plain_load;
    const std::size_t choices = is_store ? 1 : state.shared.choices(access, by_writer);
    for (std::size_t choice = 0; choice < choices; ++choice) {
      State& after = next.emplace_back(state);
      std::uint64_t reply = 0;
      if (is_store) {
        after.shared.store(access, by_writer);
      } else {
        reply = after.shared.load(access, by_writer, choice);
      }
      if (by_writer) {
        after.writer = settled_writer(writers_.answered(state.writer, reply));
      } else {
        after.reader = readers_.answered(state.reader, reply);
        settle_reader(after);
      }
    }
  }

  // A call that has ended is followed by the next attempt's.
  std::uint32_t settled_writer(std::uint32_t id) {
    for (;;) {
      const Node& node = writers_.node(id);
      if (node.call != 0 && node.access) return id;
      const std::uint32_t local_id = node.call == 0 ? node.local : node.local_after;
      const WriterLocal& local = writers_.local(local_id);
      if (local.attempt == program_.attempts.size()) return writers_.begin(local_id, 0, 0);
      id = writers_.begin(local_id, 1, 0);
    }
  }

  void settle_reader(State& state) {
    const Node& node = readers_.node(state.reader);
    if (node.access) return;
    if (node.call == read_record) {
      if (node.peeked == Peeked::corrupt)
        throw Violation("the reader calls a Lane corrupt that nobody scribbled on");
      if (node.peeked == Peeked::record) check_record(state, *node.copy);
    }
    if (node.call == read_counters) check_counters(state, node.counters);
    state.reader = readers_.begin(node.local_after, 0, 0);
  }

  void call(const State& state, ReaderCall what, std::uint64_t argument, std::vector<State>& next) {
    State& after = next.emplace_back(state);
    after.reader = readers_.begin(readers_.node(state.reader).local, what, argument);
    settle_reader(after);
  }

  // Between calls the reader may do any of what a sidecar does, in any order.
  void reader_decides(const State& state, const ReaderLocal& local, std::vector<State>& next) {
    if (local.has_begun == 0) return call(state, begin_reading, state.committed, next);
    const bool writer_has_ended =
        state.writer_is_dead != 0 || writers_.node(state.writer).call == 0;
    if (writer_has_ended && local.sees_end == 0) {
      State& after = next.emplace_back(state);
      after.shared.writer_has_ended();
      ReaderLocal seen = local;
      seen.sees_end = 1;
      after.reader = readers_.between_calls(seen);
    }
    if (local.uncommitted > 0) {
      State& after = next.emplace_back(state);
      ReaderLocal less = local;
      after.committed = less.ends[0];
      ++after.committed_records;
      --less.uncommitted;
      for (std::size_t i = 0; i + 1 < sizeof less.ends; ++i) less.ends[i] = less.ends[i + 1];
      less.ends[sizeof less.ends - 1] = 0;
      after.reader = readers_.between_calls(less);
    }
    std::uint64_t may_go = state.committed;
    if (mutant_ == Mutant::release_before_commit) may_go = local.reader.next();
    if (mutant_ == Mutant::release_before_read)
      may_go = writers_.local(writers_.node(state.writer).local).writer.position();
    if (may_go > state.shared.latest(kReleasedAt)) call(state, release_lines, may_go, next);
    if (local.is_dry == 0) {
      call(state, read_record, 0, next);
    } else if (local.uncommitted == 0 && state.shared.latest(kReleasedAt) >= state.committed) {
      call(state, read_counters, 0, next);
    }
  }

  // ── properties ───────────────────────────────────────────────────────────────────────────────────
  // What the writer is in the middle of, as it will be if its first line's sequence word is there.
  std::vector<WriterLocal::Accepted> published(const State& state) const {
    const Node& node = writers_.node(state.writer);
    const WriterLocal& local = writers_.local(node.local);
    std::vector<WriterLocal::Accepted> records(local.accepted, local.accepted + local.records);
    const std::uint64_t position = local.writer.position();
    const std::size_t first_word = position % kLinesMax * kWordsPerLine;
    if (node.call != 0 && state.shared.latest(first_word) == position + 1) {
      const Attempt& attempt = program_.attempts[local.attempt];
      records.push_back({.attempt = static_cast<std::uint8_t>(local.records + local.refused),
                         .position = static_cast<std::uint8_t>(position),
                         .lines = static_cast<std::uint8_t>(lines_for(attempt.payload_bytes)),
                         .refused_before = local.refused});
    }
    return records;
  }

  void check_record(const State& state, const RecordCopy& copy) const {
    for (const WriterLocal::Accepted& record : published(state)) {
      if (record.position != copy.position) continue;
      if (!is_whole(copy, record, attempt_of(record.attempt)))
        throw Violation("a Record is read that is not what was published");
      return;
    }
    throw Violation("a Record is read that was never published");
  }
  // Waiting hands out no ordinal.
  const Attempt& attempt_of(std::size_t ordinal) const {
    for (const Attempt& attempt : program_.attempts) {
      if (attempt.what != What::wait_until_empty && ordinal-- == 0) return attempt;
    }
    throw Violation("an ordinal beyond all that was tried");
  }

  // The drain's view of what was produced, when all is read: published + dropped + refused, nothing else.
  void check_counters(const State& state, const LaneCounters& counters) const {
    const std::vector<WriterLocal::Accepted> records = published(state);
    const Node& node = writers_.node(state.writer);
    const WriterLocal& local = writers_.local(node.local);
    const std::uint64_t refused =
        counters.dropped[0] + counters.dropped[1] + counters.dropped[2] + counters.refused;
    const bool may_be_one_more = node.call != 0;  // killed inside of an attempt
    if (refused < local.refused || refused > local.refused + (may_be_one_more ? 1U : 0U))
      throw Violation("refusals are not counted exactly");
    sidecar::LaneSeen seen;
    if (!records.empty()) {
      seen.ordinal = records.back().attempt + 1U;
      seen.published = records.size();
    }
    const model::LaneCounts counts = sidecar::counts_of(counters, seen);
    if (counts.produced != records.size() + refused)
      throw Violation("produced is not published + refused");
  }

  void check_end(const State& state) const {
    const ReaderLocal& local = readers_.local(readers_.node(state.reader).local);
    if (local.is_done == 0) throw Violation("stuck: nobody can go on");
    if (state.committed_records != published(state).size())
      throw Violation("Records published and Records committed differ");
  }

  // From everywhere an end can be reached: no state waits for ever.
  void check_no_state_is_stuck() {
    std::sort(edges_.begin(), edges_.end());
    std::vector<bool> reaches(ids_.size());
    std::vector<std::uint32_t> open = ends_;
    for (const std::uint32_t id : open) reaches[id] = true;
    std::size_t count = open.size();
    while (!open.empty()) {
      const std::uint32_t id = open.back();
      open.pop_back();
      for (auto edge = std::lower_bound(edges_.begin(), edges_.end(), std::pair(id, 0U));
           edge != edges_.end() && edge->first == id; ++edge) {
        if (reaches[edge->second]) continue;
        reaches[edge->second] = true;
        ++count;
        open.push_back(edge->second);
      }
    }
    if (count != ids_.size()) throw Violation("stuck: a state from which no end is reached");
  }

  // ── states seen ──────────────────────────────────────────────────────────────────────────────────
  struct Digest {
    std::uint64_t high = 0x9E3779B97F4A7C15, low = 0xC2B2AE3D27D4EB4F;
    void add(std::uint64_t value) {
      high = (high ^ value) * 0xFF51AFD7ED558CCD;
      high ^= high >> 32U;
      low = (low + value) * 0xC4CEB9FE1A85EC53;
      low ^= low >> 29U;
    }
    bool operator==(const Digest&) const = default;
  };
  struct DigestHash {
    std::size_t operator()(const Digest& digest) const { return digest.high; }
  };

  // 128 bits of every state are kept, not the state: a collision would hide one of 10^30.
  std::pair<std::uint32_t, bool> id_of(const State& state) {
    Digest digest;
    for (const Word& word : state.shared.words) {
      digest.add(std::uint64_t{word.count} << 8U | word.read_at);
      for (std::size_t i = 0; i < word.count; ++i) {
        digest.add(word.values[i]);
        digest.add(std::uint64_t{word.stamps[i]} << 1U | (word.releases[i] ? 1U : 0U));
      }
    }
    digest.add(std::uint64_t{state.shared.writer_clock} << 32U | state.shared.seen_of_writer);
    digest.add(std::uint64_t{state.shared.reader_clock} << 32U | state.shared.seen_of_reader);
    digest.add(std::uint64_t{state.writer} << 32U | state.reader);
    digest.add(std::uint64_t{state.committed} << 32U |
               std::uint64_t{state.committed_records} << 24U |
               std::uint64_t{state.writer_is_dead} << 16U | state.reader_restarts);
    const auto [found, is_new] = ids_.emplace(digest, static_cast<std::uint32_t>(ids_.size()));
    return {found->second, is_new};
  }

  const Program& program_;
  const Mutant mutant_;
  Histories<WriterLocal> writers_;
  Histories<ReaderLocal> readers_;
  std::unordered_map<Digest, std::uint32_t, DigestHash> ids_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> edges_;  // to, from
  std::vector<std::uint32_t> ends_;
};

// ── programs ─────────────────────────────────────────────────────────────────────────────────────────

constexpr Attempt fact(std::uint8_t payload_bytes) {
  return {.what = What::publish, .kind = RecordKind::trade, .payload_bytes = payload_bytes};
}
constexpr Attempt state_of(std::uint8_t payload_bytes) {
  return {.what = What::publish, .kind = RecordKind::equity, .payload_bytes = payload_bytes};
}
constexpr Attempt kSample{.what = What::publish_words, .kind = RecordKind::latency};
constexpr Attempt kRefuse{.what = What::refuse};
constexpr Attempt kWait{.what = What::wait_until_empty};

int depth() {
  const char* text = std::getenv("DDT_LANE_MODEL_DEPTH");
  return text == nullptr ? 1 : std::max(1, std::atoi(text));
}

Explored explore(const Program& program, Mutant mutant = Mutant::none) {
  const auto begun = std::chrono::steady_clock::now();
  Explored explored = Explorer(program, mutant).explore();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begun;
  std::cout << explored.states << " states, " << explored.ends << " ends, " << seconds.count()
            << " s" << (explored.violation.empty() ? "" : ": " + explored.violation) << '\n';
  return explored;
}

void expect_safe(Program program) {
  program.reader_restarts = static_cast<std::uint8_t>(depth());
  const Explored explored = explore(program);
  EXPECT_EQ(explored.violation, "");
  EXPECT_GT(explored.ends, 0U);
}

TEST(LaneModel, SurvivesEveryInterleavingOfRecordsOfOneLine) {
  std::vector<Attempt> attempts(4 + static_cast<std::size_t>(depth()), fact(24));
  expect_safe({.attempts = attempts});
}

TEST(LaneModel, SurvivesEveryInterleavingOfRecordsOfSeveralLines) {
  std::vector<Attempt> attempts{fact(29), fact(24), fact(88), fact(32)};
  if (depth() > 1) attempts.push_back(fact(8));
  expect_safe({.attempts = attempts});
}

TEST(LaneModel, SurvivesSeveralLapsOfWaitingForTheReader) {
  expect_safe({.attempts = {fact(32), fact(88), kWait, fact(88), fact(24), kWait, fact(32), kWait,
                            fact(136), kWait, kSample}});
}

TEST(LaneModel, CountsWhatEveryClassIsRefused) {
  std::vector<Attempt> attempts{kSample, kSample, kSample, kRefuse, state_of(8), state_of(8)};
  if (depth() > 1) attempts.insert(attempts.end(), {fact(8), fact(8)});
  expect_safe({.attempts = attempts});
}

// ── the checker finds what is broken ─────────────────────────────────────────────────────────────────

void expect_found(const Program& program, Mutant mutant, const std::string& part) {
  EXPECT_EQ(explore(program).violation, "");
  const Explored explored = explore(program, mutant);
  EXPECT_NE(explored.violation, "");
  EXPECT_NE(explored.violation.find(part), std::string::npos) << explored.violation;
}

const Program kShort{.attempts = {fact(32), fact(88), kWait, fact(24)}};
const Program kFull{.attempts = {fact(24), fact(88), fact(24), fact(24), fact(24)}};

TEST(LaneModel, FindsASequenceStoredWithoutRelease) {
  expect_found(kShort, Mutant::w1_relaxed, "a word is read that may still be written");
}
TEST(LaneModel, FindsASequenceLoadedWithoutAcquire) {
  expect_found(kShort, Mutant::r1_relaxed, "a word is read that may still be written");
}
TEST(LaneModel, FindsSpaceGivenBackWithoutRelease) {
  expect_found(kShort, Mutant::r2_relaxed, "a word is overwritten that may still be read");
}
TEST(LaneModel, FindsSpaceTakenWithoutAcquire) {
  expect_found(kShort, Mutant::w2_relaxed, "a word is overwritten that may still be read");
}
TEST(LaneModel, FindsTheFirstLinePublishedBeforeTheLater) {
  expect_found(kShort, Mutant::first_line_first, "corrupt");
}
TEST(LaneModel, FindsLaterLinesWithoutASequence) {
  expect_found(kShort, Mutant::later_lines_unnumbered, "corrupt");
}
TEST(LaneModel, FindsSpaceTakenThatWasNotGivenBack) {
  expect_found(kFull, Mutant::room_without_release, "data race");
}
TEST(LaneModel, FindsADropThatIsNotCounted) {
  expect_found(kFull, Mutant::drop_uncounted, "refusals are not counted exactly");
}
TEST(LaneModel, FindsSpaceGivenBackBeforeItIsRead) {
  expect_found(kShort, Mutant::release_before_read, "data race");
}
TEST(LaneModel, FindsSpaceGivenBackBeforeItIsCommitted) {
  expect_found(kShort, Mutant::release_before_commit, "Records published and Records committed");
}
TEST(LaneModel, FindsAReaderThatBeginsWhereTheLastOneStopped) {
  expect_found(kShort, Mutant::restart_at_next, "Records published and Records committed");
}

}  // namespace
}  // namespace ddt::model_check
