// Open vocabularies: known words, mapped spellings, other texts kept.
#include "shm/words.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ddt {
namespace {

template <typename Vocabulary>
void expect_every_known_word_to_be_its_code() {
  for (std::size_t i = 0; i < Vocabulary::kKnown.size(); ++i) {
    const Word<Vocabulary> word(Vocabulary::kKnown[i]);
    EXPECT_EQ(word.code(), i + 1) << Vocabulary::kKnown[i];
    EXPECT_TRUE(word.other_text().empty());
    EXPECT_EQ(Word<Vocabulary>::known(word.code()), Vocabulary::kKnown[i]);
  }
  for (const Spelling& spelling : Vocabulary::kSpellings) {
    EXPECT_EQ(Word<Vocabulary>(spelling.from).code(), Word<Vocabulary>(spelling.to).code());
    EXPECT_NE(Word<Vocabulary>(spelling.from).code(), kOtherWord) << spelling.from;
  }
}

TEST(Words, GiveEveryKnownWordItsCodeAndEverySpellingItsWord) {
  expect_every_known_word_to_be_its_code<SideWords>();
  expect_every_known_word_to_be_its_code<DirectionWords>();
  expect_every_known_word_to_be_its_code<OrderTypeWords>();
  expect_every_known_word_to_be_its_code<OrderStatusWords>();
  expect_every_known_word_to_be_its_code<TradeTypeWords>();
  expect_every_known_word_to_be_its_code<ExitReasonWords>();
  expect_every_known_word_to_be_its_code<HealthStatusWords>();
  expect_every_known_word_to_be_its_code<SeverityWords>();
  expect_every_known_word_to_be_its_code<SignalFateWords>();
}

TEST(Words, MapTheSpellingsOfBrokers) {
  EXPECT_EQ(OrderStatus::known(OrderStatus("cancelled").code()), "canceled");
  EXPECT_EQ(Side::known(Side("long").code()), "buy");
  EXPECT_EQ(Side::known(Side("SHORT").code()), "sell");
}

TEST(Words, AreAbsentWhenEmpty) {
  EXPECT_EQ(Side().code(), kNoWord);
  EXPECT_EQ(Side("").code(), kNoWord);
  EXPECT_TRUE(Side::known(kNoWord).empty());
}

TEST(Words, KeepAnyOtherTextVerbatim) {
  const OrderStatus word("Held_For_Review ");
  EXPECT_EQ(word.code(), kOtherWord);
  EXPECT_EQ(word.other_text(), "Held_For_Review ");
}

TEST(Words, CutOtherTextAtFiftyBytes) {
  const std::string text(51, 'x');
  EXPECT_EQ(OrderStatus(text).other_text(), std::string(50, 'x'));
}

TEST(Words, CutBetweenCharactersNotInsideOne) {
  const std::string text = std::string(49, 'x') + "é";  // 51 bytes, the cut would halve é
  EXPECT_EQ(OrderStatus(text).other_text(), std::string(49, 'x'));
  EXPECT_EQ(utf8_prefix("aé", 3), "aé");
  EXPECT_EQ(utf8_prefix("aé", 2), "a");
  EXPECT_EQ(utf8_prefix("😀", 3), "");
  EXPECT_EQ(utf8_prefix("", 0), "");
}

TEST(Words, KnowNothingOfCodesBeyondTheVocabulary) {
  EXPECT_TRUE(Side::known(3).empty());
  EXPECT_TRUE(Side::known(kOtherWord).empty());
}

}  // namespace
}  // namespace ddt
