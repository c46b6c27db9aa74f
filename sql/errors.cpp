#include "sql/errors.hpp"

#include <algorithm>
#include <array>

namespace ddt::sql {
namespace {

constexpr std::array kConnectionErrors{
    1053u,         // server shutdown in progress
    1077u, 1079u,  // normal shutdown, shutdown complete
    1080u,         // forcing close of thread
    1152u, 1184u,  // aborted connection
    1153u,         // packet larger than max_allowed_packet: the server hangs up
    1154u, 1155u, 1156u, 1157u, 1158u, 1159u, 1160u, 1161u,  // network reads and writes
    1927u,                                                   // connection was killed (MariaDB)
    3169u,                                                   // session was killed (MySQL)
    4031u,                                                   // disconnected for inactivity (MySQL)
    2002u, 2003u, 2004u, 2005u,                              // cannot connect
    2006u, 2012u, 2013u, 2055u,  // server has gone away, lost connection
    2008u,                       // client out of memory in mid-result
    2014u,                       // commands out of sync
    2026u,                       // TLS
    2027u,                       // malformed packet
    5014u,                       // the server sent an error out of turn (Connector/C)
};

constexpr std::array kPassingErrors{
    1020u,                       // record has changed since last read
    1021u, 1028u, 1030u, 1114u,  // disk full, sort aborted, error from storage engine, table full
    1037u, 1038u, 1041u,         // out of memory
    1040u, 1203u, 1226u,         // too many connections, resource limits
    1047u,                       // node is not ready (Galera answers "unknown command")
    1105u,                       // unknown error: Galera while it changes its members
    1129u,                       // host is blocked because of many connection errors
    1180u,                       // error during COMMIT
    1205u, 1206u, 1213u,         // lock wait timeout, lock table full, deadlock
    1290u, 1792u, 1836u,         // read-only server, as during a failover
    1317u, 1969u, 3024u,         // query interrupted, time limit
    1412u,                       // table definition has changed
    1461u,                       // too many prepared statements
    1243u, 1615u, 2057u,  // statement unknown, needs to be re-prepared, has new columns: prepared
                          // anew next time
    1637u,                // too many active transactions
    3058u, 3572u,         // user lock deadlock, lock not available now
    1223u,                // a global read lock (backup)
};

template <std::size_t N>
bool contains(const std::array<unsigned, N>& numbers, unsigned number) noexcept {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

}  // namespace

bool is_connection_error(unsigned number) noexcept { return contains(kConnectionErrors, number); }

bool is_retryable_error(unsigned number) noexcept {
  if (number == 1153) return false;  // The same packet would be too large again.
  return is_connection_error(number) || contains(kPassingErrors, number);
}

}  // namespace ddt::sql
