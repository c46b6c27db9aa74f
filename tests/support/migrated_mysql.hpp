// tests/support/migrated_mysql.hpp — a fixture: one MariaDB for all tests of a suite, with our tables in it.
#pragma once

#include <gtest/gtest.h>

#include <stdexcept>
#include <utility>

#include "sql/client.hpp"
#include "sql/migrator.hpp"
#include "tests/support/private_mysql.hpp"

namespace ddt::test {

class MigratedMysqlTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new PrivateMysql;
    must(sql::create_database_if_missing(server_->options()));
    auto mysql = connect();
    must(sql::migrate(mysql));
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }

  static sql::Connection connect() {
    auto mysql = sql::Connection::connect(server_->options());
    if (!mysql) throw std::runtime_error(mysql.error().message);
    return std::move(mysql).value();
  }
  static void must(const Status& status) {
    if (!status) throw std::runtime_error(status.error().message);
  }

  static inline PrivateMysql* server_ = nullptr;
};

}  // namespace ddt::test
