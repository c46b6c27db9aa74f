// What the rollup is given from memory: exactly what follows in the journal, or nothing.
#include "sidecar/recent_entries.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ddt::sidecar {
namespace {

constexpr std::size_t kAll = 1'000;

RecentEntry entry(const std::string& before, const std::string& id, std::size_t bytes = 1) {
  model::Block block;
  block.segment_name = "block of " + id;
  return {.before = before, .id = id, .bytes = bytes, .blocks = {block}};
}

std::string ids_after(RecentEntries& recent, std::string_view id, std::size_t count_max = kAll,
                      std::size_t bytes_max = kAll) {
  std::string ids;
  for (const RecentEntry& taken : recent.take_after(id, count_max, bytes_max)) {
    EXPECT_EQ(taken.blocks.front().segment_name, "block of " + taken.id);
    ids += taken.id + " ";
  }
  return ids;
}

TEST(RecentEntries, AreGivenOnceInOrderToWhoHasReadUpToThem) {
  RecentEntries recent(kAll);
  recent.put(entry("0-0", "5-0"));
  recent.put(entry("5-0", "5-1"));
  recent.put(entry("5-1", "7-0"));
  EXPECT_EQ(ids_after(recent, "0-0"), "5-0 5-1 7-0 ");
  EXPECT_EQ(ids_after(recent, "7-0"), "");
  recent.put(entry("7-0", "10-0"));  // as numbers: later than 7-0
  EXPECT_EQ(ids_after(recent, "7-0"), "10-0 ");
}

TEST(RecentEntries, NothingIsPassedOver) {
  RecentEntries recent(kAll);
  recent.put(entry("5-0", "6-0"));
  EXPECT_EQ(ids_after(recent, "4-0"), "") << "5-0 is in the journal only";
  EXPECT_EQ(ids_after(recent, "5-0"), "6-0 ");
  // An append whose answer was lost has left 8-0 behind; the next connection has found it there.
  recent.put(entry("6-0", "7-0"));
  recent.put(entry("8-0", "9-0"));
  EXPECT_EQ(ids_after(recent, "6-0"), "7-0 ");
  EXPECT_EQ(ids_after(recent, "7-0"), "");
  EXPECT_EQ(ids_after(recent, "8-0"), "9-0 ");
}

TEST(RecentEntries, WhatWasReadInTheJournalMeanwhileIsDropped) {
  RecentEntries recent(kAll);
  recent.put(entry("1-0", "2-0"));
  recent.put(entry("2-0", "3-0"));
  recent.put(entry("3-0", "4-0"));
  EXPECT_EQ(ids_after(recent, "3-0"), "4-0 ");
  EXPECT_TRUE(recent.entries().empty());
}

TEST(RecentEntries, AJournalThatBeganAnewIsRead) {
  RecentEntries recent(kAll);
  recent.put(entry(
      "0-0", "9-0"));  // Redis was emptied, or came back old: whoever has read to 8-0 reads there
  EXPECT_EQ(ids_after(recent, "8-0"), "");
  EXPECT_EQ(ids_after(recent, "0-0"), "9-0 ");
}

TEST(RecentEntries, APageIsBoundedButForItsFirst) {
  RecentEntries recent(kAll);
  recent.put(entry("0-0", "1-0", 50));
  recent.put(entry("1-0", "2-0", 10));
  recent.put(entry("2-0", "3-0", 10));
  recent.put(entry("3-0", "4-0", 10));
  EXPECT_EQ(ids_after(recent, "0-0", kAll, 20), "1-0 ");
  EXPECT_EQ(ids_after(recent, "1-0", kAll, 20), "2-0 3-0 ");
  EXPECT_EQ(ids_after(recent, "3-0", 1), "4-0 ");
}

TEST(RecentEntries, TheOldestGoWhenThereIsNoRoom) {
  RecentEntries recent(25);
  recent.put(entry("0-0", "1-0", 10));
  recent.put(entry("1-0", "2-0", 10));
  recent.put(entry("2-0", "3-0", 10));
  EXPECT_EQ(ids_after(recent, "0-0"), "") << "1-0 is in the journal only";
  EXPECT_EQ(ids_after(recent, "1-0"), "2-0 3-0 ");
  recent.put(entry("3-0", "4-0", 26));
  EXPECT_TRUE(recent.entries().empty());
}

}  // namespace
}  // namespace ddt::sidecar
