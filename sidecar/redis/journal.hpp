// sidecar/redis/journal.hpp — the Journal in Redis: fenced append, reading, trimming.
//
//   ddt:{id}:journal   stream   entry: field "b" = bytes of one entry (sidecar/model/codec.hpp)
//   ddt:{id}:positions hash     "<segment hex>:<lane>" → position acknowledged with an entry
//   ddt:{id}:fence     string   token of the only connection that may append
//   ddt:{id}:seq       hash     profile → seq of its last update message
//
// Append    One transaction: entry, positions (a script: only if the entry is in), live values, seqs, PUBLISH. It
//           runs only if nobody has touched the fence since we saw our token there: WATCH (docs/adr/0011). A live
//           write that fails stops nothing.
// Fence     connect() puts a random token into the fence, then the positions are read: a command
//           of a predecessor that is still under way lands before (and is read) or is refused.
// Threads   A writer, a reader and their connections belong to one thread each.
// Errors    I/O: retryable; is_open() is false, connect again. Refused by the fence: is_fenced(), connect
//           again too: a SET fence of our own that timed out may have landed late. Refused again and
//           again: another process uses our id.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shm/base/result.hpp"
#include "sidecar/model/block.hpp"
#include "sidecar/redis/client.hpp"
#include "sidecar/redis/keys.hpp"
#include "sidecar/redis/live_writes.hpp"

namespace ddt::redis {

inline constexpr std::size_t kEntryBytesMax = 64U << 20;  // an eighth of Redis's own limit
inline constexpr std::size_t kLiveTogetherMax =
    10'000;  // writes and messages; more takes several transactions

// The journal holds everything of the Lane before `position`, unless Redis has forgotten something: then it
// once held everything before `forgotten_to`, and below that it is no witness.
struct LanePosition {
  model::LaneName lane;
  std::uint64_t position = 0;
  std::uint64_t forgotten_to = 0;  // 0: nothing
};

using Positions = std::map<model::LaneName, LanePosition>;

struct Appended {
  std::string id;  // of the entry in the stream
  LiveFailures live;
};

inline constexpr int kFenceTaken = 1;  // Error::code: another connection holds the fence
inline constexpr int kFenceGone =
    2;  // Error::code: Redis lost the fence (flushed, or came back old)
inline constexpr int kTransactionRefused = 3;  // Error::code: nothing of it has run
bool is_fenced(const Error& error) noexcept;

class JournalWriter {
 public:
  // Connects and takes the fence. Read acknowledged_positions() before the first append.
  static Result<JournalWriter> connect(const ConnectOptions& options, const SidecarKeys& keys);

  // A field that is no Lane or no number is left out: that Lane is drained again from its commit.
  Result<Positions> acknowledged_positions();

  // entry may be empty, and positions with it: then only live values are written, under the same fence.
  // An Error says nothing about whether the entry landed (the answer may be what was lost).
  Result<Appended> append(std::string entry, std::span<const LanePosition> positions,
                          LivePart live);

  // Commands of live values that are written together or not at all. Those that fail inside are counted.
  Result<LiveFailures> write_together(std::vector<Command> commands);

  // Whether Redis is still the one that took our fence: neither flushed nor come back old since, nor another's.
  Status confirm();

  // Memory the journal takes in Redis, as Redis estimates it.
  Result<std::uint64_t> journal_bytes();

  // Forgets Lanes that were retired, under the fence.
  Status forget(std::span<const model::LaneName> lanes);

  bool is_open() const noexcept { return client_.is_open(); }
  Client& client() noexcept { return client_; }  // for what else this thread says to Redis

 private:
  JournalWriter(Client client, SidecarKeys keys, std::string token)
      : client_(std::move(client)), keys_(std::move(keys)), token_(std::move(token)) {}

  static constexpr std::size_t kWatchCommands = 4;

  Status read_seqs();
  std::vector<Command> watch_commands() const;
  void see_watch(std::span<const Reply> replies);
  Status watch();
  // MULTI and what is to run inside → its replies. Only while the fence is ours.
  Result<std::vector<Reply>> transact(std::vector<Command> commands);
  Result<Appended> append_some(const std::string& entry, std::span<const LanePosition> positions,
                               std::span<LiveCommand> commands,
                               std::span<const LiveMessage> messages);
  Command positions_command(std::span<const LanePosition> positions) const;
  void push_messages(std::span<const LiveMessage> messages, std::vector<Command>& transaction,
                     LiveFailures& failures);

  Client client_;
  SidecarKeys keys_;
  std::string token_;
  std::optional<Error> watch_error_;  // no transaction can be
  bool is_only_sidecar_ = false;
  LiveWrites live_;
  std::map<std::int32_t, std::uint64_t>
      seqs_;                   // of each profile's last message: ours alone to count
  bool seqs_are_kept_ = true;  // the key is of our type
};

struct RawEntry {
  std::string id;
  std::string bytes;  // empty when the entry has no field "b": not ours
};

struct JournalPage {
  std::vector<RawEntry> entries;
  bool has_gone_back =
      false;  // the journal is older than what was read: read again from kJournalStart
};

struct JournalStats {
  std::uint64_t length = 0, bytes = 0;  // bytes as Redis estimates them
  std::string first_id, last_id;        // first_id empty when there is no entry
  std::int64_t age_ms = 0;              // of the first entry, by Redis's clock
};

inline constexpr std::string_view kJournalStart = "0-0";

// Order of two entry ids; a text that is no id sorts before all.
int compare_ids(std::string_view a, std::string_view b) noexcept;
std::int64_t id_time_ms(std::string_view id) noexcept;

class JournalReader {
 public:
  static Result<JournalReader> connect(const ConnectOptions& options, const SidecarKeys& keys);

  // Entries after id, oldest first, at most max_count and max_bytes; one may be larger than that.
  Result<JournalPage> read_after(std::string_view id, std::size_t max_count, std::size_t max_bytes);

  Result<std::string> last_id();  // kJournalStart when there never was an entry
  Result<JournalStats> stats();

  // Removes entries below id (id itself stays); gives their number.
  Result<std::uint64_t> trim_before(std::string_view id);

  bool is_open() const noexcept { return client_.is_open(); }
  Client& client() noexcept { return client_; }

 private:
  JournalReader(Client client, SidecarKeys keys)
      : client_(std::move(client)), keys_(std::move(keys)) {}

  Client client_;
  SidecarKeys keys_;
};

// Which entries may go: those committed longer than keep_ms ago, or beyond keep_bytes of committed
// ones. Pure. A database that forgets its last second is healed from what is kept.
class TrimPlan {
 public:
  TrimPlan(std::int64_t keep_ms, std::uint64_t keep_bytes)
      : keep_ms_(keep_ms), keep_bytes_(keep_bytes) {}
  void committed(std::string_view id, std::uint64_t bytes, std::int64_t now_ms);
  // The id to trim before; nullopt when nothing is due. Forgets what it gives out.
  std::optional<std::string> due(std::int64_t now_ms);
  void clear();
  std::uint64_t kept_bytes() const noexcept { return kept_bytes_; }

 private:
  struct Kept {
    std::string id;
    std::uint64_t bytes;
    std::int64_t committed_ms;
  };
  std::int64_t keep_ms_;
  std::uint64_t keep_bytes_, kept_bytes_ = 0;
  std::deque<Kept> kept_;
};

// problems: must not start. warnings: may start, say it.
struct ServerCheck {
  std::vector<std::string> problems, warnings;
};
Result<ServerCheck> check_server(Client& client);

// used_memory ÷ maxmemory; 0 without a limit. Above 0.8 live values are not written: the journal
// goes first.
Result<double> memory_used_ratio(Client& client);

}  // namespace ddt::redis
