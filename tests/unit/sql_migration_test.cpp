// What a migration file says, and what the small pure parts of sql/ say about texts and numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "sql/client.hpp"
#include "sql/errors.hpp"
#include "sql/migration.hpp"
#include "sql/migrator.hpp"
#include "sql/sha256.hpp"

namespace ddt::sql {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kTwoSteps = R"(-- Some words about it; with a semicolon.
-- binary: 0.2.0

-- step: make a
-- unless: table a exists
CREATE TABLE a (
  -- a comment; inside
  b INT
);

-- step: widen b
-- unless: column a.b is decimal(20,8) not null
-- unless: index a.idx_b exists
-- unless: column a.c updates itself
ALTER TABLE a MODIFY b DECIMAL(20,8) NOT NULL;
)";

std::string problem_of(std::string_view name, std::string_view text) {
  const auto migration = parse_migration(name, text);
  return migration ? "none" : migration.error().message;
}

TEST(Migration, IsAListOfStepsWithTheirConditions) {
  const auto migration = parse_migration("0012_example", kTwoSteps);
  ASSERT_TRUE(migration) << migration.error().message;
  EXPECT_EQ(migration->version, 12u);
  EXPECT_EQ(migration->min_binary, "0.2.0");
  EXPECT_EQ(migration->checksum, sha256_hex(kTwoSteps));
  ASSERT_EQ(migration->steps.size(), 2u);
  const Step& make = migration->steps[0];
  EXPECT_EQ(make.what, "make a");
  EXPECT_EQ(make.statement, "CREATE TABLE a (\n  b INT\n)");
  ASSERT_EQ(make.done_when.size(), 1u);
  EXPECT_EQ(make.done_when[0].kind, ConditionKind::table_exists);
  EXPECT_EQ(make.done_when[0].table, "a");
  const Step& widen = migration->steps[1];
  ASSERT_EQ(widen.done_when.size(), 3u);
  EXPECT_EQ(widen.done_when[0].kind, ConditionKind::column_is);
  EXPECT_EQ(widen.done_when[0].part, "b");
  EXPECT_EQ(widen.done_when[0].expected, "decimal(20,8) not null");
  EXPECT_EQ(widen.done_when[1].kind, ConditionKind::index_exists);
  EXPECT_EQ(widen.done_when[2].kind, ConditionKind::column_updates_itself);
}

TEST(Migration, IsRefusedWhenItIsNotWhollyUnderstood) {
  const std::string head = "-- binary: 0.1.0\n-- step: x\n";
  const std::string guard = "-- unless: table a exists\n";
  EXPECT_EQ(problem_of("0001_x", head + guard + "DROP TABLE a;"), "none");
  EXPECT_THAT(problem_of("1_x", head + guard + "DROP TABLE a;"), HasSubstr("NNNN_what"));
  EXPECT_THAT(problem_of("0000_x", head + guard + "DROP TABLE a;"), HasSubstr("NNNN_what"));
  EXPECT_THAT(problem_of("0001_x", "-- step: x\n" + guard + "DROP TABLE a;"), HasSubstr("binary"));
  EXPECT_THAT(problem_of("0001_x", head + "DROP TABLE a;"), HasSubstr("no condition"));
  EXPECT_THAT(problem_of("0001_x", head + guard), HasSubstr("one statement"));
  EXPECT_THAT(problem_of("0001_x", head + guard + "DROP TABLE a"), HasSubstr("one statement"));
  EXPECT_THAT(problem_of("0001_x", head + guard + "DROP TABLE a; DROP TABLE b;"),
              HasSubstr("one statement"));
  EXPECT_THAT(problem_of("0001_x", head + "-- unless: tabel a exists\nDROP TABLE a;"),
              HasSubstr("cannot read"));
  EXPECT_THAT(problem_of("0001_x", head + "-- unless: column a exists\nDROP TABLE a;"),
              HasSubstr("cannot read"));
  EXPECT_THAT(problem_of("0001_x", head + "-- unless: column a.b is int\nDROP TABLE a;"),
              HasSubstr("cannot read"));
  EXPECT_THAT(problem_of("0001_x", "-- binary: 0.1.0\nDROP TABLE a;"),
              HasSubstr("before the first step"));
  EXPECT_THAT(problem_of("0001_x", "-- binary: 0.1.0\n"), HasSubstr("no steps"));
}

TEST(Migration, NumbersAreUniqueAndAscend) {
  const MigrationText twice[] = {{"0012_a", kTwoSteps}, {"0012_b", kTwoSteps}};
  EXPECT_FALSE(parse_migrations(twice));
}

TEST(Migration, EveryOneOfThisBinaryIsUnderstood) {
  const auto migrations = parse_migrations(embedded_migrations());
  ASSERT_TRUE(migrations) << migrations.error().message;
  ASSERT_GE(migrations->size(), 7u);
  for (std::size_t i = 0; i < migrations->size(); ++i) {
    const Migration& migration = migrations->at(i);
    EXPECT_EQ(migration.version, i + 1) << "a gap before " << migration.name;
    EXPECT_FALSE(is_newer_version(migration.min_binary, binary_version())) << migration.name;
  }
  EXPECT_EQ(newest_schema_version(), migrations->size());
}

TEST(Migration, VersionsCompareByNumber) {
  EXPECT_TRUE(is_newer_version("0.10.0", "0.9.3"));
  EXPECT_FALSE(is_newer_version("0.9.3", "0.10.0"));
  EXPECT_FALSE(is_newer_version("1.2.3", "1.2.3"));
  EXPECT_TRUE(is_newer_version("1.2.4", "1.2.3"));
  EXPECT_TRUE(is_newer_version("two", "1.2.3"));
  EXPECT_FALSE(is_newer_version("1.2.3", "two"));
}

TEST(Migration, IntegerTypesHaveNoDisplayWidth) {
  EXPECT_EQ(plain_type("int(10) unsigned"), "int unsigned");
  EXPECT_EQ(plain_type("bigint(20)"), "bigint");
  EXPECT_EQ(plain_type("decimal(20,8)"), "decimal(20,8)");
  EXPECT_EQ(plain_type("datetime(6)"), "datetime(6)");
  EXPECT_EQ(plain_type("longtext"), "longtext");
}

TEST(Sha256, MatchesThePublishedVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(SqlErrors, SayWhetherARetryCanHelp) {
  for (const unsigned number : {2002u, 2003u, 2006u, 2013u, 1053u, 1927u}) {
    EXPECT_TRUE(is_connection_error(number)) << number;
    EXPECT_TRUE(is_retryable_error(number)) << number;
  }
  for (const unsigned number : {1205u, 1213u, 1040u, 1021u, 1114u, 1290u}) {
    EXPECT_FALSE(is_connection_error(number)) << number;
    EXPECT_TRUE(is_retryable_error(number)) << number;
  }
  for (const unsigned number : {1045u, 1049u, 1062u, 1064u, 1146u, 1264u, 1366u, 1406u}) {
    EXPECT_FALSE(is_connection_error(number)) << number;
    EXPECT_FALSE(is_retryable_error(number)) << number;
  }
  EXPECT_TRUE(is_connection_error(1153));
  EXPECT_FALSE(is_retryable_error(1153));  // The same packet would be too large again.
}

TEST(ConnectOptions, SayAllTheirProblemsAtOnce) {
  EXPECT_THAT(problems_in(ConnectOptions{}), ::testing::IsEmpty());
  ConnectOptions wrong;
  wrong.host.clear();
  wrong.port = 0;
  wrong.user.clear();
  wrong.database = std::string(65, 'x');
  wrong.connect_timeout = std::chrono::milliseconds(0);
  wrong.io_timeout = std::chrono::milliseconds(-1);
  EXPECT_EQ(problems_in(wrong).size(), 6u);
  wrong.unix_socket = "/run/mysqld/mysqld.sock";  // host and port do not matter then
  EXPECT_EQ(problems_in(wrong).size(), 4u);
}

TEST(MultiRow, RepeatsTheGroupOncePerRow) {
  EXPECT_EQ(multi_row("INSERT INTO t VALUES ", 1, 1), "INSERT INTO t VALUES (?)");
  EXPECT_EQ(multi_row("INSERT INTO t VALUES ", 3, 2, " ON DUPLICATE KEY UPDATE a = VALUES(a)"),
            "INSERT INTO t VALUES (?,?,?),(?,?,?) ON DUPLICATE KEY UPDATE a = VALUES(a)");
}

TEST(Row, GivesTextNumbersAndNull) {
  Row row;
  row.append("-5");
  row.append_null();
  row.append("18446744073709551615");
  row.append("");
  EXPECT_EQ(row.size(), 4u);
  EXPECT_EQ(row.integer(0), -5);
  EXPECT_TRUE(row.is_null(1));
  EXPECT_EQ(row.optional_text(1), std::nullopt);
  EXPECT_EQ(row.unsigned_integer(2), 18446744073709551615u);
  EXPECT_EQ(row.text(3), "");
  EXPECT_EQ(row.optional_integer(0), -5);
  EXPECT_DEATH(static_cast<void>(row.text(1)), "check failed");
  EXPECT_DEATH(static_cast<void>(row.integer(3)), "check failed");
  EXPECT_DEATH(static_cast<void>(row.text(4)), "check failed");
}

}  // namespace
}  // namespace ddt::sql
