// sidecar/model/bytes.hpp — the few encodings every stored format here is made of.
//
//   varint   7 bits per byte, lowest first, top bit = another follows; at most 10 bytes (19 for
//   i128) zigzag   (v << 1) ^ (v >> 63) as a varint: small numbers of either sign are short text
//   varint length, then that many bytes
//
// Errors    ByteReader never reads outside its input. After the first impossible read ok() is false
// and
//           every read gives 0 or empty: check once, at the end.
// Limits    count() refuses a number of elements the rest of the input cannot hold, so a damaged
// length
//           never becomes an allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shm/base/decimal.hpp"

namespace ddt::model {

// Appends to a string it does not own.
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) noexcept : out_(out) {}

  void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void varint(std::uint64_t value);
  void zigzag(std::int64_t value);
  void i128(int128 value);
  void nullable(std::int64_t value);
  void boolean(bool value) { u8(value ? 1 : 0); }
  void text(std::string_view value);                        // with its length
  void raw(std::string_view value) { out_.append(value); }  // without

 private:
  std::string& out_;
};

// Reads bytes it does not own.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) noexcept : rest_(bytes) {}

  std::uint8_t u8() noexcept;
  std::uint64_t varint() noexcept;
  std::int64_t zigzag() noexcept;
  int128 i128() noexcept;
  std::int64_t nullable() noexcept;
  bool boolean() noexcept;  // anything but 0 and 1 is an error
  std::string text() { return std::string(text_view()); }
  std::string_view text_view() noexcept;  // into the input
  std::string_view raw(std::size_t length) noexcept;

  // A varint as a smaller type; a value that does not fit is an error.
  std::uint32_t u32() noexcept;
  std::int32_t i32() noexcept;
  // A number of elements of at least `bytes_each` bytes.
  std::size_t count(std::size_t bytes_each) noexcept;

  bool ok() const noexcept { return ok_; }
  bool at_end() const noexcept { return rest_.empty(); }
  std::size_t remaining() const noexcept { return rest_.size(); }
  void fail() noexcept {
    ok_ = false;
    rest_ = {};
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// CRC-32C (Castagnoli), as in RFC 3720; of "123456789" it is 0xE3069283.
std::uint32_t crc32c(std::string_view bytes) noexcept;

}  // namespace ddt::model
