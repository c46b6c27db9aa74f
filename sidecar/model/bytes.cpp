#include "sidecar/model/bytes.hpp"

#include <array>
#include <cstring>
#include <limits>

namespace ddt::model {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table() {
  constexpr std::uint32_t kReversedPolynomial = 0x82F63B78;
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReversedPolynomial : 0);
    table[i] = crc;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kCrcTable = crc_table();

#if defined(__x86_64__)
// Eight bytes a step, of which the table takes eight: every entry is read whole by whoever writes or reads it.
// What is left of `bytes` is fewer than eight.
__attribute__((target("sse4.2"))) std::uint32_t crc_of_words(std::uint32_t crc,
                                                             std::string_view& bytes) noexcept {
  std::uint64_t word = 0;
  for (; bytes.size() >= sizeof(word); bytes.remove_prefix(sizeof(word))) {
    std::memcpy(&word, bytes.data(), sizeof(word));
    crc = static_cast<std::uint32_t>(__builtin_ia32_crc32di(crc, word));
  }
  return crc;
}
#endif

// Seven bits a byte, the lowest first; all but the last have their highest bit set.
template <typename Unsigned>
void append_varint(std::string& out, Unsigned value) {
  std::array<char, (8 * sizeof(Unsigned) + 6) / 7> bytes;
  std::size_t size = 0;
  for (; value >= 0x80; value >>= 7)
    bytes[size++] = static_cast<char>(static_cast<std::uint8_t>(value) | 0x80U);
  bytes[size++] = static_cast<char>(value);
  out.append(bytes.data(), size);
}

constexpr std::uint64_t fold(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ (value < 0 ? ~std::uint64_t{0} : 0);
}

constexpr std::int64_t unfold(std::uint64_t folded) {
  return static_cast<std::int64_t>((folded >> 1) ^ (std::uint64_t{0} - (folded & 1)));
}

}  // namespace

void ByteWriter::varint(std::uint64_t value) { append_varint(out_, value); }

void ByteWriter::zigzag(std::int64_t value) { varint(fold(value)); }

void ByteWriter::nullable(std::int64_t value) { varint(fold(value) + 1); }

void ByteWriter::i128(int128 value) {
  const auto bits = static_cast<uint128>(value);
  append_varint(out_, (bits << 1) ^ (value < 0 ? ~uint128{0} : 0));
}

void ByteWriter::text(std::string_view value) {
  varint(value.size());
  raw(value);
}

std::uint8_t ByteReader::u8() noexcept {
  if (rest_.empty()) {
    fail();
    return 0;
  }
  const auto value = static_cast<std::uint8_t>(rest_.front());
  rest_.remove_prefix(1);
  return value;
}

std::uint64_t ByteReader::varint() noexcept {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = u8();
    if (shift == 63 && byte > 1) break;  // beyond 64 bits
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return ok_ ? value : 0;
  }
  fail();
  return 0;
}

std::int64_t ByteReader::zigzag() noexcept { return unfold(varint()); }

std::int64_t ByteReader::nullable() noexcept { return unfold(varint() - 1); }

int128 ByteReader::i128() noexcept {
  uint128 folded = 0;
  for (unsigned shift = 0; shift < 128; shift += 7) {
    const std::uint8_t byte = u8();
    if (shift == 126 && byte > 3) break;  // beyond 128 bits
    folded |= static_cast<uint128>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) {
      if (!ok_) return 0;
      return static_cast<int128>((folded >> 1) ^ (uint128{0} - (folded & 1)));
    }
  }
  fail();
  return 0;
}

bool ByteReader::boolean() noexcept {
  const std::uint8_t value = u8();
  if (value > 1) fail();
  return ok_ && value == 1;
}

std::string_view ByteReader::text_view() noexcept {
  const std::uint64_t length = varint();
  if (length > rest_.size()) {
    fail();
    return {};
  }
  return raw(static_cast<std::size_t>(length));
}

std::string_view ByteReader::raw(std::size_t length) noexcept {
  if (length > rest_.size()) {
    fail();
    return {};
  }
  const std::string_view bytes = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return bytes;
}

std::uint32_t ByteReader::u32() noexcept {
  const std::uint64_t value = varint();
  if (value > std::numeric_limits<std::uint32_t>::max()) fail();
  return ok_ ? static_cast<std::uint32_t>(value) : 0;
}

std::int32_t ByteReader::i32() noexcept {
  const std::int64_t value = zigzag();
  if (value > std::numeric_limits<std::int32_t>::max() ||
      value < std::numeric_limits<std::int32_t>::min()) {
    fail();
  }
  return ok_ ? static_cast<std::int32_t>(value) : 0;
}

std::size_t ByteReader::count(std::size_t bytes_each) noexcept {
  const std::uint64_t value = varint();
  if (value > rest_.size() / (bytes_each == 0 ? 1 : bytes_each)) fail();
  return ok_ ? static_cast<std::size_t>(value) : 0;
}

std::uint32_t crc32c(std::string_view bytes) noexcept {
  std::uint32_t crc = ~std::uint32_t{0};
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) crc = crc_of_words(crc, bytes);
#endif
  for (const char c : bytes) {
    crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<std::uint8_t>(c)) & 0xFF];
  }
  return ~crc;
}

}  // namespace ddt::model
