// tests/model/lane_sides.hpp — a writer and a reader of a tiny Lane as step machines around the real code.
//
// A side stands at a node: inside a call of the real code, about to make one access, or between two calls. What a
// side does next depends only on where its call began and what its accesses were answered, so every such history is
// run once and kept.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/model/lane_memory.hpp"

namespace ddt::model_check {

using Writer = BasicLaneWriter<CheckedMemory>;
using Reader = BasicLaneReader<CheckedMemory>;

// What the bot does, one after the other.
struct Attempt {
  enum class What : std::uint8_t {
    publish,          // any payload
    publish_words,    // one line, from registers
    refuse,           // count_refused
    wait_until_empty  // lines_free() until all of them are
  };
  What what;
  RecordKind kind = RecordKind::trade;
  std::uint8_t payload_bytes = 24;
};
inline constexpr std::size_t kAttemptsMax = 12;

// Between two calls. Trivially copyable, compared by its bytes.
struct WriterLocal {
  Writer writer;
  std::uint8_t attempt, records;
  std::uint8_t refused;  // of the attempts
  // Of every accepted Record: which attempt, where it lies, how many were refused before it.
  struct Accepted {
    std::uint8_t attempt, position, lines, refused_before;
  } accepted[kAttemptsMax];
};
struct ReaderLocal {
  Reader reader;
  std::uint8_t has_begun;
  std::uint8_t sees_end;     // the writer's lock was seen free
  std::uint8_t is_dry;       // and nothing was left after that
  std::uint8_t is_done;      // and the counters were read
  std::uint8_t uncommitted;  // Records read and not committed, and where they end
  std::uint8_t ends[kLinesMax + 2];
};

struct Node {
  std::uint32_t local = 0;  // where its call began; where it stands, if it is between calls
  std::uint8_t call = 0;    // 0: between calls
  std::uint64_t argument = 0;
  std::vector<std::uint64_t> replies{};
  std::optional<Access> access{};  // none in a call: it has ended
  std::uint32_t local_after = 0;
  Peeked peeked = Peeked::empty;
  std::unique_ptr<RecordCopy> copy{};
  LaneCounters counters{};
  std::unordered_map<std::uint64_t, std::uint32_t> after{};  // reply → node
};

// Histories of one side. `Side` says what its calls are.
template <typename Local>
class Histories {
 public:
  explicit Histories(Mutant mutant) : mutant_(mutant) {}

  std::uint32_t intern(const Local& local) {
    std::string bytes(reinterpret_cast<const char*>(&local), sizeof local);
    const auto [found, is_new] =
        ids_.emplace(std::move(bytes), static_cast<std::uint32_t>(locals_.size()));
    if (is_new) locals_.push_back(local);
    return found->second;
  }
  const Local& local(std::uint32_t id) const { return locals_[id]; }
  const Node& node(std::uint32_t id) const { return *nodes_[id]; }
  std::size_t size() const { return nodes_.size(); }

  std::uint32_t between_calls(const Local& local) { return begin(intern(local), 0, 0); }
  std::uint32_t begin(std::uint32_t local, std::uint8_t call, std::uint64_t argument) {
    const auto [found, is_new] = begun_.emplace(std::tuple(local, call, argument),
                                                static_cast<std::uint32_t>(nodes_.size()));
    if (is_new) add({.local = local, .call = call, .argument = argument});
    return found->second;
  }
  // The node after `id`'s access was answered.
  std::uint32_t answered(std::uint32_t id, std::uint64_t reply) {
    const auto found = nodes_[id]->after.find(reply);
    if (found != nodes_[id]->after.end()) return found->second;
    const Node& before = *nodes_[id];
    Node next{.local = before.local, .call = before.call, .argument = before.argument};
    next.replies = before.replies;
    next.replies.push_back(reply);
    const auto next_id = static_cast<std::uint32_t>(nodes_.size());
    nodes_[id]->after.emplace(reply, next_id);
    add(std::move(next));
    return next_id;
  }

 private:
  void add(Node node) {
    if (node.call != 0) {
      Local local = locals_[node.local];
      Run run(mutant_, node.replies, position_of(local));
      Run::current = &run;
      call(local, node);
      Run::current = nullptr;
      node.access = run.next();
      if (!node.access) node.local_after = intern(local);
    }
    nodes_.push_back(std::make_unique<Node>(std::move(node)));
  }

  static std::optional<std::uint64_t> position_of(const WriterLocal& local) {
    return local.writer.position();
  }
  static std::optional<std::uint64_t> position_of(const ReaderLocal&) { return std::nullopt; }
  void call(WriterLocal& local, Node& node);
  void call(ReaderLocal& local, Node& node);

 public:
  std::vector<Attempt> attempts;  // the writer's

 private:
  Mutant mutant_;
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::vector<Local> locals_;
  std::map<std::tuple<std::uint32_t, std::uint8_t, std::uint64_t>, std::uint32_t> begun_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

// ── what is said and what must be read ───────────────────────────────────────────────────────────────

inline std::vector<std::byte> payload_of(std::size_t attempt, std::size_t bytes) {
  std::vector<std::byte> payload(bytes);
  for (std::size_t i = 0; i < bytes; ++i)
    payload[i] = static_cast<std::byte>(attempt * 16 + i / 8 + 1);
  return payload;
}

inline RecordStamp stamp_of(std::size_t attempt, RecordKind kind) {
  return {.kind = kind,
          .flags = 0,
          .script = static_cast<std::uint16_t>(attempt),
          .profile_id = static_cast<std::int32_t>(100 + attempt),
          .stamp = 1000 + attempt};
}

// The copy says what `accepted` was, whole and unmixed.
inline bool is_whole(const RecordCopy& copy, const WriterLocal::Accepted& accepted,
                     const Attempt& attempt) {
  const std::vector<std::byte> payload = payload_of(accepted.attempt, attempt.payload_bytes);
  const RecordStamp stamp = stamp_of(accepted.attempt, attempt.kind);
  return copy.position == accepted.position && copy.lines == accepted.lines &&
         copy.head.sequence == accepted.position + 1U && copy.head.ordinal == accepted.attempt &&
         copy.head.refused == accepted.refused_before && copy.head.stamp == stamp.stamp &&
         copy.head.kind == stamp.kind && copy.head.script == stamp.script &&
         copy.head.profile_id == stamp.profile_id &&
         std::memcmp(copy.payload.data(), payload.data(), payload.size()) == 0;
}

enum ReaderCall : std::uint8_t { begin_reading = 1, read_record, release_lines, read_counters };

// Both calls below run with made-up replies as well, when they go on beyond what is known: their results count only
// if the call ended within its replies.
template <>
inline void Histories<WriterLocal>::call(WriterLocal& local, Node&) {
  const Attempt& attempt = attempts[local.attempt];
  const auto position = static_cast<std::uint8_t>(local.writer.position());
  if (attempt.what == Attempt::What::wait_until_empty) {
    if (local.writer.lines_free() == local.writer.line_count()) ++local.attempt;
    return;
  }
  const std::uint8_t ordinal = static_cast<std::uint8_t>(local.records + local.refused);
  Publish published = Publish::full;
  if (attempt.what == Attempt::What::refuse) {
    local.writer.count_refused();
  } else {
    const std::vector<std::byte> payload = payload_of(ordinal, attempt.payload_bytes);
    const RecordStamp stamp = stamp_of(ordinal, attempt.kind);
    if (attempt.what == Attempt::What::publish_words) {
      FirstPayload words;
      std::memcpy(words.data(), payload.data(), sizeof words);
      published = local.writer.try_publish(stamp, words);
    } else {
      published = local.writer.try_publish(stamp, payload.data(), payload.size());
    }
  }
  if (published == Publish::ok) {
    local.accepted[local.records++] = {
        .attempt = ordinal,
        .position = position,
        .lines = static_cast<std::uint8_t>(local.writer.position() - position),
        .refused_before = local.refused};
  } else {
    ++local.refused;
  }
  ++local.attempt;
}

template <>
inline void Histories<ReaderLocal>::call(ReaderLocal& local, Node& node) {
  switch (node.call) {
    case begin_reading: {  // as the drain does: behind what is committed, or what was given back
      const std::uint64_t released = local.reader.released();
      local.reader.rewind(std::max(released, node.argument));
      local.has_begun = 1;
      return;
    }
    case read_record: {
      auto copy = std::make_unique<RecordCopy>();
      node.peeked = local.reader.read(*copy);
      if (node.peeked == Peeked::record) {
        local.is_dry = 0;
        local.ends[local.uncommitted++ % sizeof local.ends] =
            static_cast<std::uint8_t>(local.reader.next());
        node.copy = std::move(copy);
      } else if (local.sees_end != 0) {
        local.is_dry = 1;
      }
      return;
    }
    case release_lines:
      if (node.argument > local.reader.released()) local.reader.release(node.argument);
      return;
    case read_counters:
      node.counters = local.reader.counters();
      local.is_done = 1;
      return;
    default:
      throw std::logic_error("model: no such call");
  }
}

}  // namespace ddt::model_check
