// JSON out and in: exact decimals, limits, bad text.
#include <gtest/gtest.h>

#include <random>

#include "sidecar/model/json.hpp"

namespace ddt::model {
namespace {

TEST(JsonWriter, PutsCommasAndBrackets) {
  JsonWriter json;
  json.begin_object().key("a").integer(-1).key("b").begin_array().integer(1).null().boolean(true);
  json.begin_object().end_object().end_array().key("c").string("x").key("d").raw(R"({"m":1})");
  json.key("e").unsigned_integer(18'446'744'073'709'551'615U).end_object();
  EXPECT_EQ(json.text(),
            R"({"a":-1,"b":[1,null,true,{}],"c":"x","d":{"m":1},"e":18446744073709551615})");
}

TEST(JsonWriter, WritesDecimalsExactly) {
  JsonWriter json;
  json.begin_array().decimal(123'456, 2).decimal(-5, 8).e8(kE8).e8(kNullE8);
  json.e8_text(kE8 / 2)
      .e8_text(kNullE8)
      .decimal_text(10, 0)
      .e8(std::optional<int128>{})
      .end_array();
  EXPECT_EQ(json.text(), R"([1234.56,-0.00000005,1,null,"0.5",null,"10",null])");
}

TEST(JsonWriter, EscapesAndMendsText) {
  EXPECT_EQ(json_quoted("a\"b\\c\n\t\x01/"), R"("a\"b\\c\n\t\u0001/")");
  EXPECT_EQ(json_quoted("p\xC3\xA4ron \xF0\x9F\x90\x91"), "\"p\xC3\xA4ron \xF0\x9F\x90\x91\"");
  // Lone continuation, overlong, surrogate, cut: one U+FFFD for each bad byte.
  EXPECT_EQ(json_quoted("\x80"), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(json_quoted("\xC0\xAF"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(json_quoted("x\xE2\x82"), "\"x\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST(JsonWriter, AnyBytesBecomeParsableText) {
  std::mt19937_64 random(43);
  for (int i = 0; i < 5'000; ++i) {
    std::string bytes(random() % 20, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    JsonWriter json;
    json.begin_object().key(bytes).string(bytes).end_object();
    EXPECT_TRUE(is_json_object(json.text())) << json.text();
  }
}

TEST(JsonValue, ReadsWhatIsThere) {
  const auto json = JsonValue::parse(
      R"( {"s":"x\u00e4","i":-12,"d":1234.5600,"t":"7.5","b":true,"n":null,"a":[1,"2"],"i":13} )");
  ASSERT_TRUE(json && json->is_object());
  EXPECT_EQ(json->string_or("s"), "x\xC3\xA4");
  EXPECT_EQ(json->int_or("i", 0), 13);  // the last of equal names
  EXPECT_EQ(json->find("d")->as_number_text(), "1234.5600");
  EXPECT_EQ(json->e8_or("d"), 123'456'000'000);
  EXPECT_EQ(json->e8_or("t"), 750'000'000);
  EXPECT_EQ(json->e8_or("absent"), kNullE8);
  EXPECT_EQ(json->e8_or("n"), kNullE8);
  EXPECT_EQ(json->find("b")->as_bool(), true);
  EXPECT_TRUE(json->find("n")->is_null());
  ASSERT_EQ(json->find("a")->items().size(), 2U);
  EXPECT_EQ(json->find("a")->items()[0].as_int(), 1);
  EXPECT_FALSE(json->find("a")->items()[1].as_int().has_value());
  EXPECT_FALSE(json->find("d")->as_int().has_value());
  EXPECT_EQ(json->find("nothing"), nullptr);
}

TEST(JsonValue, GivesBackTheTextItRead) {
  const std::string text = R"({"a":[1,2.50,1e5,"x\n",null,true,{}],"b":{"c":[]}})";
  const auto json = JsonValue::parse(text);
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->to_json(), text);
}

TEST(JsonValue, RefusesWhatIsNoJson) {
  for (const char* text :
       {"", " ", "{", "}", "{}x", "{\"a\"}", "{\"a\":}", "[1,]", "nul", "01", "+1", "'a'", "{a:1}",
        "\"\x80\"", "\"\xED\xA0\x80\"", "\xEF\xBB\xBF{}", "\"\\ud800\""}) {
    EXPECT_FALSE(JsonValue::parse(text).has_value()) << text;
  }
  EXPECT_FALSE(JsonValue::parse(std::string_view("{}\0{}", 5)).has_value());
}

TEST(JsonValue, RefusesDeepNesting) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(JsonValue::parse(nested(kJsonDepthMax)).has_value());
  EXPECT_FALSE(JsonValue::parse(nested(kJsonDepthMax + 1)).has_value());
  EXPECT_FALSE(JsonValue::parse(std::string(1'000'000, '[')).has_value());
  EXPECT_FALSE(is_json_object("{\"a\":" + nested(kJsonDepthMax) + "}"));
  EXPECT_TRUE(is_json_object("{\"a\":" + nested(kJsonDepthMax - 1) + "}"));
}

TEST(JsonObject, IsWhatMetadataMustBe) {
  EXPECT_TRUE(is_json_object("{}"));
  EXPECT_TRUE(is_json_object(R"( {"a":[1,{"b":null}],"c":-1.5e3} )"));
  for (const char* text : {"", "[]", "1", "\"x\"", "null", "true", "{\"a\":1e999}",
                           "{\"a\":\"\x80\"}", "{}{}", "{\"a\":1,}"}) {
    EXPECT_FALSE(is_json_object(text)) << text;
  }
}

TEST(JsonValue, RandomTextNeverCrashes) {
  std::mt19937_64 random(47);
  const std::string_view alphabet = "{}[]:,\"\\u0123e+-.ntf \x80\xC3";
  for (int i = 0; i < 50'000; ++i) {
    std::string text(random() % 24, ' ');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    const auto json = JsonValue::parse(text);
    EXPECT_TRUE(!json || JsonValue::parse(json->to_json()).has_value()) << text;
    EXPECT_TRUE(!is_json_object(text) || (json && json->is_object())) << text;
  }
}

}  // namespace
}  // namespace ddt::model
