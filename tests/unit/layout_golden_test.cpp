// Layout version 1, byte by byte: what a Segment, a Lane and every kind of Record look like for fixed inputs.
// A difference here is another layout: raise kLayoutVersion, keep these bytes for version 1.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ddt/telemetry.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shm/segment.hpp"
#include "tests/support/record_kinds.hpp"
#include "tests/support/temp_directory.hpp"

namespace ddt {
namespace {

std::string hex(const void* bytes, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<const unsigned char*>(bytes)[i]);
    text += digits;
    if (i % 8 == 7 && i + 1 != count) text += i % 64 == 63 ? '\n' : ' ';
  }
  return text;
}

class LayoutGolden : public testing::Test {
 protected:
  test::TempDirectory directory;
};

