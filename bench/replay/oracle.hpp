// bench/replay/oracle.hpp — what was published, as one JSON line per Record, for checkers that share no
// code with us.
//
// Decimals are strings, times RFC 3339 UTC with microseconds, what was not said is null. All bots of a
// run append to one file: each write is of whole lines, with O_APPEND, so lines never mix.
#pragma once

#include <string>

#include "bench/replay/record.hpp"
#include "shm/base/result.hpp"

namespace ddt::replay {

// Without the newline.
std::string oracle_line(const Record& record);

class OracleFile {
 public:
  static Result<OracleFile> open(const std::string& path);
  ~OracleFile();
  OracleFile(OracleFile&& other) noexcept;
  OracleFile(const OracleFile&) = delete;
  OracleFile& operator=(const OracleFile&) = delete;
  OracleFile& operator=(OracleFile&&) = delete;

  // Buffers the line; writes when there is enough.
  Status append(const Record& record);
  Status flush();

 private:
  OracleFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string path_;
  int fd_ = -1;
  std::string lines_;
};

}  // namespace ddt::replay
