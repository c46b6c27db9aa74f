#include "bench/system/stores.hpp"

#include <pwd.h>
#include <unistd.h>

#include <stdexcept>

namespace ddt::bench {
namespace {

constexpr const char* kDatabase = "deltadyno";

std::string user_name() {
  const passwd* const entry = ::getpwuid(::geteuid());
  return entry != nullptr ? entry->pw_name : std::to_string(::geteuid());
}

std::vector<std::string> redis_command(const std::string& directory) {
  return {"redis-server",
          "--port",
          "0",
          "--dir",
          directory,
          "--unixsocket",
          directory + "/redis.sock",
          "--unixsocketperm",
          "700",
          "--appendonly",
          "yes",
          "--appendfsync",
          "everysec",
          "--save",
          "",
          "--auto-aof-rewrite-min-size",
          "1gb",
          "--hash-max-listpack-entries",
          "64",
          "--maxmemory",
          "1gb",
          "--maxmemory-policy",
          "noeviction"};
}

std::vector<std::string> install_command(const std::string& directory) {
  return {
      "mariadb-install-db",   "--no-defaults",         "--auth-root-authentication-method=normal",
      "--skip-test-db",       "--user=" + user_name(), "--datadir=" + directory + "/mariadb",
      "--tmpdir=" + directory};
}

std::vector<std::string> mariadb_command(const std::string& directory) {
  return {"mariadbd",
          "--no-defaults",
          "--user=" + user_name(),
          "--datadir=" + directory + "/mariadb",
          "--socket=" + directory + "/mariadb.sock",
          "--skip-networking",
          "--pid-file=" + directory + "/mariadb.pid",
          "--tmpdir=" + directory,
          "--skip-name-resolve"};
}

}  // namespace

Stores::Stores(const Workplace& workplace) : directory_(workplace.directory()) {
  redis_.emplace(workplace, redis_command(directory_));
  {
    Process install(workplace, install_command(directory_));
    if (install.wait() != 0)
      throw std::runtime_error("mariadb-install-db failed: " + install.log_tail());
  }
  mariadb_.emplace(workplace, mariadb_command(directory_));
  redis_->wait_until([&] { return static_cast<bool>(redis::Client::connect(redis_options())); });
  mariadb_->wait_until(
      [&] { return static_cast<bool>(sql::create_database_if_missing(mysql_options())); });
}

redis::ConnectOptions Stores::redis_options() const {
  redis::ConnectOptions options;
  options.unix_socket = directory_ + "/redis.sock";
  return options;
}

sql::ConnectOptions Stores::mysql_options() const {
  sql::ConnectOptions options;
  options.unix_socket = directory_ + "/mariadb.sock";
  options.database = kDatabase;
  return options;
}

redis::Client Stores::redis_client() const {
  auto client = redis::Client::connect(redis_options());
  if (!client) throw std::runtime_error(client.error().message);
  return std::move(*client);
}

sql::Connection Stores::mysql() const {
  auto connection = sql::Connection::connect(mysql_options());
  if (!connection) throw std::runtime_error(connection.error().message);
  return std::move(*connection);
}

std::vector<std::string> Stores::settings() const {
  return {"redis.unix_socket=" + directory_ + "/redis.sock",
          "mysql.unix_socket=" + directory_ + "/mariadb.sock", "mysql.user=root",
          std::string("mysql.database=") + kDatabase, std::string("sidecar.id=") + kSidecarId};
}

}  // namespace ddt::bench
