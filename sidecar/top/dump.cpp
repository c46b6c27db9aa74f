#include "sidecar/top/dump.hpp"

#include <pwd.h>

#include <cstdio>
#include <string>

#include "shm/base/clock.hpp"
#include "shm/segment.hpp"
#include "sidecar/drain/decode.hpp"
#include "sidecar/model/json.hpp"
#include "sidecar/model/time.hpp"
#include "sidecar/top/control_words.hpp"
#include "sidecar/top/fields.hpp"
#include "sidecar/top/lane_dump.hpp"
#include "sidecar/top/text.hpp"

namespace ddt::top {
namespace {

using model::JsonWriter;

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text.push_back(kDigits[static_cast<unsigned char>(c) >> 4U]);
    text.push_back(kDigits[static_cast<unsigned char>(c) & 15U]);
  }
  return text;
}

std::string_view owner_state(LockState lock) {
  return lock == LockState::held ? "alive" : lock == LockState::free ? "gone" : "unknown";
}

bool has_rate(const SegmentHeader& header) {
  const std::uint32_t pairs = header.calibration_count.load(std::memory_order_relaxed);  // a copy
  for (std::uint32_t i = 0; i < std::min(pairs, kCalibrationPairsMax); ++i) {
    if (header.calibration[i].ns_per_tick_q32 != 0) return true;
  }
  return false;
}

// No sidecar ever saw it: the bot's own pair and now give a rate, if that was since the machine's start.
bool find_rate(SegmentReader& segment, const CalibrationPair& first) {
  const bool is_tsc = segment.clock() == ClockKind::tsc;
  const std::uint64_t ticks = is_tsc ? ticks_now() : static_cast<std::uint64_t>(monotonic_ns());
  const std::int64_t wall = wall_ns();
  if (is_tsc && kTickClock != ClockKind::tsc) return false;
  if (ticks <= first.ticks || wall <= first.wall_ns) return false;
  constexpr uint128 kRateMax = uint128{100} << 32U;  // 100 ns a tick: no clock is that slow
  const uint128 rate =
      is_tsc ? (static_cast<uint128>(wall - first.wall_ns) << 32U) / (ticks - first.ticks)
             : uint128{1} << 32U;
  if (rate == 0 || rate > kRateMax) return false;
  segment.calibrate(ticks, wall, static_cast<std::uint64_t>(rate), 0);  // in our copy
  return true;
}

class Printer {
 public:
  Printer(SegmentReader& segment, std::string path, bool is_json)
      : segment_(segment), path_(std::move(path)), is_json_(is_json) {}

  void header();
  void lane(std::uint32_t lane, const LaneState& state);
  void record(std::uint32_t lane, const RecordCopy& record);
  void stop(std::uint32_t lane, const Stop& stop, std::uint64_t records);

 private:
  void record_as_text(std::uint32_t lane, const RecordCopy& record,
                      const std::variant<model::Event, sidecar::Undecodable>& decoded);
  void record_as_json(std::uint32_t lane, const RecordCopy& record,
                      const std::variant<model::Event, sidecar::Undecodable>& decoded);
  static void print(const std::string& line) {
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fputc('\n', stdout);
  }

  SegmentReader& segment_;
  std::string path_;
  bool is_json_;
};

void Printer::header() {
  const auto& header = *reinterpret_cast<const SegmentHeader*>(segment_.begin());
  const bool is_rated = has_rate(header) || find_rate(segment_, header.calibration[0]);
  const std::uint32_t names =
      std::min(header.name_count.load(std::memory_order_relaxed), kNamesMax);  // a copy
  const passwd* user = ::getpwuid(segment_.owner_uid());
  const std::string user_name = user != nullptr ? user->pw_name : "";
  const std::string_view clock = segment_.clock() == ClockKind::tsc ? "tsc" : "monotonic";
  if (is_json_) {
    JsonWriter json;
    json.begin_object().key("type").string("segment").key("name").string(segment_.name());
    json.key("path").string(path_).key("layout_version").unsigned_integer(header.layout_version);
    json.key("owner").begin_object().key("state").string(owner_state(segment_.owner_lock()));
    json.key("uid").unsigned_integer(segment_.owner_uid()).key("user");
    user_name.empty() ? json.null() : json.string(user_name);
    json.key("pid").unsigned_integer(segment_.owner_pid()).end_object();
    json.key("profile_id").integer(segment_.profile_id());
    json.key("script_name").string(segment_.script_name());
    json.key("created").string(model::rfc3339(header.created_wall_ns));
    json.key("clock").string(clock).key("times_are_known").boolean(is_rated);
    json.key("lane_lines").unsigned_integer(segment_.lane_lines());
    json.key("lanes").unsigned_integer(segment_.lane_count()).key("names").begin_array();
    for (std::uint32_t i = 0; i < names; ++i)
      json.string(segment_.name_at(static_cast<std::uint16_t>(i)));
    json.end_array().end_object();
    return print(json.text());
  }
  print("Segment  " + escaped(path_));
  print("owner    " + std::string(owner_state(segment_.owner_lock())) + ", uid " +
        std::to_string(segment_.owner_uid()) +
        (user_name.empty() ? "" : " (" + escaped(user_name) + ")") + ", pid " +
        std::to_string(segment_.owner_pid()));
  print("bot      profile " + std::to_string(segment_.profile_id()) + ", script " +
        escaped(segment_.script_name()));
  print("created  " + model::rfc3339(header.created_wall_ns) + ", layout version " +
        std::to_string(header.layout_version) + ", clock " + std::string(clock) +
        (is_rated ? "" : "; no rate is known: times are those of its first moment"));
  print("lanes    " + std::to_string(segment_.lane_count()) + " of " +
        std::to_string(segment_.lane_lines()) + " lines");
  std::string list;
  for (std::uint32_t i = 1; i < names; ++i)
    list +=
        " " + std::to_string(i) + "=" + escaped(segment_.name_at(static_cast<std::uint16_t>(i)));
  print("names   " + list);
}

void Printer::lane(std::uint32_t lane, const LaneState& state) {
  if (is_json_) {
    JsonWriter json;
    json.begin_object().key("type").string("lane").key("lane").unsigned_integer(lane);
    json.key("claimed").boolean(state.is_claimed).key("released").unsigned_integer(state.released);
    json.key("dropped").begin_object().key("samples").unsigned_integer(state.dropped[0]);
    json.key("states").unsigned_integer(state.dropped[1]).key("facts");
    json.unsigned_integer(state.dropped[2]).end_object();
    json.key("refused").unsigned_integer(state.refused);
    json.key("ordinals_at_last_refusal").unsigned_integer(state.ordinals);
    json.key("metadata_left_off").unsigned_integer(state.metadata_left_off);
    json.key("reentrant").unsigned_integer(state.reentrant).end_object();
    return print(json.text());
  }
  print("");
  print("lane " + std::to_string(lane) + (state.is_claimed ? "" : ", not claimed") +
        ": released to " + std::to_string(state.released) + "; dropped " +
        std::to_string(state.dropped[0]) + " samples, " + std::to_string(state.dropped[1]) +
        " states, " + std::to_string(state.dropped[2]) + " facts; refused " +
        std::to_string(state.refused) + "; metadata left off " +
        std::to_string(state.metadata_left_off));
}

void Printer::record(std::uint32_t lane, const RecordCopy& record) {
  sidecar::DecodeCounts counts;
  const auto decoded = sidecar::decode(record, segment_, counts);
  is_json_ ? record_as_json(lane, record, decoded) : record_as_text(lane, record, decoded);
}

void Printer::record_as_text(std::uint32_t, const RecordCopy& record,
                             const std::variant<model::Event, sidecar::Undecodable>& decoded) {
  std::string line = "  " + std::to_string(record.position) + "  ";
  if (const auto* event = std::get_if<model::Event>(&decoded)) {
    const model::Origin& origin = model::origin_of(*event);
    line += model::rfc3339(origin.event_time_ns) + "  " + std::to_string(origin.profile_id) + " " +
            escaped(origin.script_name) + "  " + std::string(kind_of(*event)) + "  " +
            readable(fields_of(*event));
    if (!origin.metadata.empty()) line += " metadata=" + escaped(origin.metadata);
  } else {
    line += "undecodable: " + escaped(std::get<sidecar::Undecodable>(decoded).reason) + ", " +
            std::to_string(record.lines) + " lines";
  }
  print(line);
}

void Printer::record_as_json(std::uint32_t lane, const RecordCopy& record,
                             const std::variant<model::Event, sidecar::Undecodable>& decoded) {
  JsonWriter json;
  json.begin_object();
  const auto* event = std::get_if<model::Event>(&decoded);
  json.key("type").string(event != nullptr ? "record" : "undecodable");
  json.key("lane").unsigned_integer(lane).key("position").unsigned_integer(record.position);
  json.key("lines").unsigned_integer(record.lines);
  json.key("ordinal").unsigned_integer(record.head.ordinal);
  json.key("refused_before").unsigned_integer(record.head.refused);
  if (event != nullptr) {
    const model::Origin& origin = model::origin_of(*event);
    json.key("kind").string(kind_of(*event));
    json.key("event_time_ns").string(std::to_string(origin.event_time_ns));
    json.key("timestamp").string(model::rfc3339(origin.event_time_ns));
    json.key("profile_id").integer(origin.profile_id);
    json.key("script_name").string(origin.script_name);
    write_members(json, fields_of(*event));
    json.key("metadata").raw(origin.metadata.empty() ? "{}" : origin.metadata);
  } else {
    json.key("reason").string(std::get<sidecar::Undecodable>(decoded).reason);
    std::string bytes(reinterpret_cast<const char*>(&record.head), sizeof record.head);
    bytes.append(reinterpret_cast<const char*>(record.payload.data()), record.payload_bytes);
    json.key("bytes").string(hex(bytes));
  }
  json.end_object();
  print(json.text());
}

void Printer::stop(std::uint32_t lane, const Stop& stop, std::uint64_t records) {
  if (is_json_) {
    JsonWriter json;
    json.begin_object().key("type").string("stop").key("lane").unsigned_integer(lane);
    json.key("position").unsigned_integer(stop.position).key("records").unsigned_integer(records);
    json.key("reason").string(name_of(stop.reason)).key("text").string(stop.text).end_object();
    return print(json.text());
  }
  print("  " + std::to_string(stop.position) + "  " + std::string(name_of(stop.reason)) + ": " +
        stop.text + " (" + std::to_string(records) + " Records)");
}

}  // namespace

int run_dump(const Options& options) {
  const std::size_t slash = options.segment.rfind('/');
  const bool is_path = slash != std::string::npos;
  const std::string directory =
      is_path ? options.segment.substr(0, std::max<std::size_t>(slash, 1)) : options.directory;
  const std::string name = is_path ? options.segment.substr(slash + 1) : options.segment;
  auto segment = SegmentReader::open(directory, name, Access::copy);
  if (!segment) {
    std::fprintf(stderr, "ddt-top: %s\n", escaped(segment.error().message).c_str());
    return 1;
  }
  Printer printer(*segment, directory + "/" + name, options.is_json);
  printer.header();
  for (std::uint32_t i = 0; i < segment->lane_count(); ++i) {
    LaneDump dump(segment->descriptor(), i, segment->lane_lines());
    LaneState state;
    if (!dump.copy(state)) {
      printer.stop(i, {.position = 0, .reason = StopReason::truncated, .text = "the file ends"}, 0);
      break;
    }
    printer.lane(i, state);
    std::uint64_t records = 0;
    const Stop stop = dump.read([&](const RecordCopy& record) {
      printer.record(i, record);
      ++records;
    });
    printer.stop(i, stop, records);
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace ddt::top
