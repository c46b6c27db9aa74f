// The ring of a Lane, from crafted states: zero, one, many, full, wrap, corrupt, unfinished.
#include "shm/lane.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace ddt {
namespace {

constexpr std::uint32_t kLines = kLaneLinesMin;
constexpr RecordKind kSample = RecordKind::latency, kState = RecordKind::equity,
                     kFact = RecordKind::trade;

RecordStamp stamp_of(RecordKind kind, std::uint64_t stamp = 99) {
  return {.kind = kind, .flags = 0, .script = 3, .profile_id = 7, .stamp = stamp};
}

class Lane : public testing::Test {
 protected:
  // A writer and a reader that stand at `position`, as after earlier laps.
  void start_at(std::uint64_t position) {
    for (std::uint64_t p = position < kLines ? 0 : position - kLines; p < position; ++p)
      sequence(p).store(p + 1);
    control.released.store(position);
    writer = LaneWriter(lines(), kLines, &control, position);
    reader = LaneReader(lines(), kLines, &control, position);
  }
  std::byte* lines() { return reinterpret_cast<std::byte*>(memory.data()); }
  std::byte* line(std::uint64_t position) { return lines() + position % kLines * kLineBytes; }
  std::atomic<std::uint64_t>& sequence(std::uint64_t position) {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(line(position));
  }
  Publish publish(RecordKind kind, std::size_t payload_bytes = 8) {
    const std::vector<std::byte> payload(payload_bytes, std::byte{0xAB});
    return writer.try_publish(stamp_of(kind), payload.data(), payload.size());
  }
  Publish fill(RecordKind kind, std::uint32_t records) {
    Publish last = Publish::ok;
    for (std::uint32_t i = 0; i < records; ++i) last = publish(kind);
    return last;
  }

  struct alignas(kLineBytes) Line {
    std::byte bytes[kLineBytes];
  };
  std::vector<Line> memory = std::vector<Line>(kLines);
  LaneControl control{};
  LaneWriter writer{lines(), kLines, &control};
  LaneReader reader{lines(), kLines, &control, 0};
  RecordCopy copy{};
};

TEST_F(Lane, IsEmptyBeforeTheFirstRecord) {
  EXPECT_EQ(reader.read(copy), Peeked::empty);
  EXPECT_EQ(reader.next(), 0U);
  EXPECT_EQ(writer.lines_free(), kLines);
}

TEST_F(Lane, GivesOneRecordBackAsItWasSaid) {
  const FirstPayload payload{11, 22, 33};
  RecordStamp stamp = stamp_of(kSample, 123'456'789);
  stamp.flags = kEventTimeGiven;
  stamp.script = 65'535;
  stamp.profile_id = 2'147'483'647;
  ASSERT_EQ(writer.try_publish(stamp, payload), Publish::ok);
  ASSERT_EQ(reader.read(copy), Peeked::record);
  EXPECT_EQ(copy.head.sequence, 1U);
  EXPECT_EQ(copy.head.ordinal, 0U);
  EXPECT_EQ(copy.head.refused, 0U);
  EXPECT_EQ(copy.head.stamp, 123'456'789U);
  EXPECT_EQ(copy.head.kind, kSample);
  EXPECT_EQ(copy.head.lines, kEventTimeGiven);
  EXPECT_EQ(copy.head.script, 65'535);
  EXPECT_EQ(copy.head.profile_id, 2'147'483'647);
  EXPECT_EQ(copy.position, 0U);
  EXPECT_EQ(copy.lines, 1U);
  EXPECT_EQ(copy.payload_bytes, kFirstPayloadBytes);
  EXPECT_EQ(std::memcmp(copy.payload.data(), payload.data(), sizeof payload), 0);
  EXPECT_EQ(reader.read(copy), Peeked::empty);
}

TEST_F(Lane, GivesManyRecordsBackInOrder) {
  for (std::uint64_t i = 0; i < 60; ++i)
    ASSERT_EQ(writer.try_publish(stamp_of(kFact, i), &i, sizeof i), Publish::ok);
  for (std::uint64_t i = 0; i < 60; ++i) {
    ASSERT_EQ(reader.read(copy), Peeked::record);
    EXPECT_EQ(copy.head.ordinal, i);
    EXPECT_EQ(copy.head.stamp, i);
    EXPECT_EQ(std::memcmp(copy.payload.data(), &i, sizeof i), 0);
  }
  EXPECT_EQ(reader.read(copy), Peeked::empty);
}

TEST_F(Lane, CarriesPayloadsOfEveryLengthAcrossTheWrap) {
  std::vector<unsigned char> payload(kPayloadBytesMax);
  std::iota(payload.begin(), payload.end(), static_cast<unsigned char>(1));
  for (std::size_t bytes = 0; bytes <= kPayloadBytesMax; ++bytes) {
    ASSERT_EQ(writer.try_publish(stamp_of(kFact), payload.data(), bytes), Publish::ok) << bytes;
    ASSERT_EQ(reader.read(copy), Peeked::record) << bytes;
    EXPECT_EQ(copy.lines, lines_for(bytes));
    EXPECT_EQ(std::memcmp(copy.payload.data(), payload.data(), bytes), 0) << bytes;
    reader.release(reader.next());
  }
  EXPECT_GT(reader.next(), 10ULL * kLines);  // many wraps, at every offset
}

TEST_F(Lane, PublishesARecordWhoseLinesLieOnBothSidesOfTheWrap) {
  start_at(3 * kLines - 2);
  ASSERT_EQ(publish(kFact, kFirstPayloadBytes + 4 * kLaterPayloadBytes), Publish::ok);  // 5 lines
  ASSERT_EQ(reader.read(copy), Peeked::record);
  EXPECT_EQ(copy.position, 3U * kLines - 2);
  EXPECT_EQ(copy.lines, 5U);
  EXPECT_EQ(copy.payload[copy.payload_bytes - 1], std::byte{0xAB});
  EXPECT_EQ(reader.next(), 3U * kLines + 3);
  EXPECT_EQ(reader.read(copy), Peeked::empty);
}

TEST_F(Lane, RefusesSamplesWhenHalfFull) {
  ASSERT_EQ(fill(kSample, kLines / 2), Publish::ok);
  EXPECT_EQ(publish(kSample), Publish::full);
  EXPECT_EQ(publish(kState), Publish::ok);
  EXPECT_EQ(publish(kFact), Publish::ok);
}

TEST_F(Lane, RefusesStatesWhenThreeQuartersFull) {
  ASSERT_EQ(fill(kState, kLines / 4 * 3), Publish::ok);
  EXPECT_EQ(publish(kState), Publish::full);
  EXPECT_EQ(publish(kSample), Publish::full);
  EXPECT_EQ(publish(kFact), Publish::ok);
}

TEST_F(Lane, RefusesFactsOnlyWhenFull) {
  ASSERT_EQ(fill(kFact, kLines), Publish::ok);
  EXPECT_EQ(writer.lines_free(), 0U);
  EXPECT_EQ(publish(kFact), Publish::full);
  for (std::uint32_t i = 0; i < kLines; ++i) ASSERT_EQ(reader.read(copy), Peeked::record);
  EXPECT_EQ(reader.read(copy), Peeked::empty);  // the line after the last is the first again
}

TEST_F(Lane, RefusesARecordOfWhichNotEveryLineFits) {
  ASSERT_EQ(fill(kFact, kLines - 2), Publish::ok);
  EXPECT_EQ(publish(kFact, kFirstPayloadBytes + 2 * kLaterPayloadBytes), Publish::full);  // 3 lines
  EXPECT_EQ(publish(kFact, kFirstPayloadBytes + kLaterPayloadBytes), Publish::ok);
}

TEST_F(Lane, TakesTheLongestRecordOfEveryClassWhenEmpty) {
  for (const RecordKind kind : {kSample, kState, kFact}) {
    EXPECT_EQ(publish(kind, kPayloadBytesMax), Publish::ok);
    ASSERT_EQ(reader.read(copy), Peeked::record);
    reader.release(reader.next());
  }
}

TEST_F(Lane, HasRoomAgainOnceTheReaderReleases) {
  ASSERT_EQ(fill(kFact, kLines), Publish::ok);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(reader.read(copy), Peeked::record);
  EXPECT_EQ(publish(kFact), Publish::full);  // read, but not released
  reader.release(reader.next());
  EXPECT_EQ(writer.lines_free(), 10U);
  EXPECT_EQ(fill(kFact, 10), Publish::ok);
  EXPECT_EQ(publish(kFact), Publish::full);
}

TEST_F(Lane, CountsDropsByClassAndKeepsOrdinalsExact) {
  ASSERT_EQ(fill(kFact, kLines), Publish::ok);
  fill(kSample, 5);
  fill(kState, 3);
  fill(kFact, 2);
  writer.count_refused();
  EXPECT_EQ(control.dropped[0].load(), 5U);
  EXPECT_EQ(control.dropped[1].load(), 3U);
  EXPECT_EQ(control.dropped[2].load(), 2U);
  EXPECT_EQ(control.refused.load(), 1U);
  EXPECT_EQ(control.ordinals.load(), kLines + 11U);
  for (std::uint32_t i = 0; i < kLines; ++i) ASSERT_EQ(reader.read(copy), Peeked::record);
  reader.release(reader.next());
  ASSERT_EQ(publish(kFact), Publish::ok);
  ASSERT_EQ(reader.read(copy), Peeked::record);
  EXPECT_EQ(copy.head.ordinal, kLines + 11U);
  EXPECT_EQ(copy.head.refused, 11U);
  EXPECT_EQ(copy.head.ordinal - copy.head.refused, kLines);  // Records published before it
}

TEST_F(Lane, CountsNothingWhenNothingIsRefused) {
  ASSERT_EQ(fill(kFact, 20), Publish::ok);
  EXPECT_EQ(control.ordinals.load(), 0U);
  EXPECT_EQ(control.refused.load(), 0U);
}

TEST_F(Lane, TakesNoRoomFromAReleasedThatLies) {
  ASSERT_EQ(fill(kFact, kLines), Publish::ok);
  for (const std::uint64_t lie :
       {std::uint64_t{kLines} + 1, ~std::uint64_t{0}, std::uint64_t{1} << 63U}) {
    control.released.store(lie);
    EXPECT_EQ(publish(kFact), Publish::full) << lie;
    EXPECT_EQ(writer.lines_free(), 0U) << lie;
  }
  control.released.store(4);  // and listens again when it speaks sense
  EXPECT_EQ(writer.lines_free(), 4U);
  EXPECT_EQ(publish(kFact), Publish::ok);
}

TEST_F(Lane, KeepsTheRoomItHadWhenReleasedGoesBack) {
  start_at(10ULL * kLines);
  EXPECT_EQ(writer.lines_free(), kLines);
  control.released.store(3);
  EXPECT_EQ(writer.lines_free(), kLines);
  EXPECT_EQ(publish(kFact), Publish::ok);
}

TEST_F(Lane, IsFullForAWriterThatNeverHeardASensibleReleased) {
  start_at(10ULL * kLines);
  control.released.store(0);
  EXPECT_EQ(writer.lines_free(), 0U);
  EXPECT_EQ(publish(kFact), Publish::full);
}

TEST_F(Lane, ShowsNothingOfARecordWhoseFirstLineIsNotStored) {
  start_at(5 * kLines - 1);
  const std::uint64_t position = 5ULL * kLines - 1;
  // What a bot killed between two stores leaves: later lines whole, first line all but its sequence.
  for (std::uint64_t i = 1; i < 4; ++i) sequence(position + i).store(position + i + 1);
  RecordHead head{};
  head.kind = kFact;
  head.lines = 3;
  std::memcpy(line(position) + 8, reinterpret_cast<const std::byte*>(&head) + 8, kHeadBytes - 8);
  EXPECT_EQ(reader.read(copy), Peeked::empty);
  EXPECT_EQ(reader.next(), position);
  sequence(position).store(position + 1);  // the last store of a publish
  EXPECT_EQ(reader.read(copy), Peeked::record);
  EXPECT_EQ(copy.lines, 4U);
}

TEST_F(Lane, ReadsWholeRecordsBeforeAnUnfinishedOneAndStops) {
  ASSERT_EQ(fill(kFact, 2), Publish::ok);
  sequence(3).store(4);  // a later line of an unfinished Record at 2
  EXPECT_EQ(reader.read(copy), Peeked::record);
  EXPECT_EQ(reader.read(copy), Peeked::record);
  EXPECT_EQ(reader.read(copy), Peeked::empty);
  EXPECT_EQ(reader.next(), 2U);
}

TEST_F(Lane, TakesLinesOfTheLapBeforeForUnpublished) {
  start_at(2ULL * kLines + 17);
  EXPECT_EQ(reader.read(copy), Peeked::empty);
}

TEST_F(Lane, CallsALengthBeyondTheLongestCorrupt) {
  ASSERT_EQ(publish(kFact), Publish::ok);
  line(0)[offsetof(RecordHead, lines)] = std::byte{kRecordLinesMax};  // lines − 1
  EXPECT_EQ(reader.read(copy), Peeked::corrupt);
  EXPECT_EQ(reader.next(), 0U);
}

TEST_F(Lane, CallsALaterLineOfAnotherRecordCorrupt) {
  ASSERT_EQ(publish(kFact, kPayloadBytesMax), Publish::ok);
  sequence(7).store(7);
  EXPECT_EQ(reader.read(copy), Peeked::corrupt);
}

TEST_F(Lane, CallsAnImpossibleSequenceCorrupt) {
  for (const std::uint64_t lie : {std::uint64_t{2}, ~std::uint64_t{0}, std::uint64_t{kLines} + 1}) {
    sequence(0).store(lie);
    EXPECT_EQ(reader.read(copy), Peeked::corrupt) << lie;
  }
}

TEST_F(Lane, CallsAZeroInALaterLapCorrupt) {
  start_at(2ULL * kLines);
  sequence(2ULL * kLines).store(0);
  EXPECT_EQ(reader.read(copy), Peeked::corrupt);
}

TEST_F(Lane, ReadsAgainFromWhatIsNotReleased) {
  ASSERT_EQ(fill(kFact, 3), Publish::ok);
  ASSERT_EQ(reader.read(copy), Peeked::record);
  ASSERT_EQ(reader.read(copy), Peeked::record);
  reader.rewind(1);
  ASSERT_EQ(reader.read(copy), Peeked::record);
  EXPECT_EQ(copy.head.ordinal, 1U);
}

// ── a signal handler that publishes in the middle of a publish of its thread ─────────────────────

LaneWriter* interrupted_writer = nullptr;
void* protected_page = nullptr;
Publish publish_in_handler;
bool refused_in_handler;

void on_fault(int) {
  ::mprotect(protected_page, 4096, PROT_READ | PROT_WRITE);
  const FirstPayload payload{};
  publish_in_handler = interrupted_writer->try_publish(stamp_of(kFact), payload);
  refused_in_handler = interrupted_writer->count_refused();
}

TEST_F(Lane, RefusesAPublishInsideAPublishOfTheSameThread) {
  // Reading the payload faults, which is as much in the middle as it gets.
  protected_page = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(protected_page, MAP_FAILED);
  interrupted_writer = &writer;
  struct sigaction action {
  }, before{};
  action.sa_handler = &on_fault;
  ASSERT_EQ(::sigaction(SIGSEGV, &action, &before), 0);
  const Publish published = writer.try_publish(stamp_of(kFact), protected_page, 100);
  ::sigaction(SIGSEGV, &before, nullptr);
  ::munmap(protected_page, 4096);

  EXPECT_EQ(publish_in_handler, Publish::reentrant);
  EXPECT_FALSE(refused_in_handler);
  EXPECT_EQ(published, Publish::ok);
  ASSERT_EQ(reader.read(copy), Peeked::record);
  EXPECT_EQ(copy.lines, lines_for(100));
  EXPECT_EQ(reader.read(copy), Peeked::empty);
  EXPECT_EQ(control.refused.load(), 0U);
  EXPECT_EQ(control.reentrant.load(), 2U);
  EXPECT_EQ(publish(kFact), Publish::ok);  // and the thread may publish again
  ASSERT_EQ(reader.read(copy), Peeked::record);
  EXPECT_EQ(copy.head.ordinal, 1U);
}

// ── two threads over one ring: what the thread sanitizer looks at ────────────────────────────────

TEST_F(Lane, LosesNothingBetweenTwoThreads) {
  constexpr std::uint64_t kRecords = 100'000;
  std::thread bot([&] {
    std::array<std::uint64_t, kPayloadBytesMax / 8> payload{};
    for (std::uint64_t i = 0; i < kRecords;) {
      payload.fill(i);
      const std::size_t bytes = i % 7 == 0 ? 8 * (1 + i % payload.size()) : 24;
      const Publish published = bytes == 24
                                    ? writer.try_publish(stamp_of(kFact, i), FirstPayload{i, i, i})
                                    : writer.try_publish(stamp_of(kFact, i), payload.data(), bytes);
      if (published == Publish::ok) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < kRecords;) {
    const Peeked peeked = reader.read(copy);
    if (peeked == Peeked::empty) {
      std::this_thread::yield();
      continue;
    }
    if (peeked == Peeked::corrupt) {
      ADD_FAILURE() << "corrupt at " << reader.next();
      break;
    }
    std::uint64_t first, last;
    const std::size_t bytes = i % 7 == 0 ? 8 * (1 + i % (kPayloadBytesMax / 8)) : 24;
    std::memcpy(&first, copy.payload.data(), 8);
    std::memcpy(&last, copy.payload.data() + bytes - 8, 8);
    if (first != i || last != i || copy.head.stamp != i ||
        copy.head.ordinal - copy.head.refused != i || copy.lines != lines_for(bytes))
      ++wrong;
    ++i;
    reader.release(reader.next());
  }
  bot.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(reader.read(copy), Peeked::empty);
  EXPECT_EQ(reader.next(), writer.position());
}

}  // namespace
}  // namespace ddt
