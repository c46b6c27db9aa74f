// sql/sha256.hpp — FIPS 180-4, for the checksums of migrations.
#pragma once

#include <string>
#include <string_view>

namespace ddt::sql {

// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

}  // namespace ddt::sql
