// sidecar/model/codec.hpp — Events and Blocks as bytes: the journal entry.
//
//   offset  size  what
//        0     4  magic "DDJE"
//        4     1  format version, 1
//        5     4  CRC-32C of everything after this header, little endian
//        9     –  varint number of Blocks, then each: varint length, that many bytes of Block
//
// docs/formats/journal.md draws the rest. An entry of another version, length or checksum is not
// decoded at all; a Block's bytes must be used up exactly.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/model/block.hpp"
#include "sidecar/model/bytes.hpp"
#include "sidecar/model/event.hpp"

namespace ddt::model {

inline constexpr std::string_view kEntryMagic = "DDJE";
inline constexpr std::uint8_t kEntryVersion = 1;
inline constexpr std::size_t kEntryHeaderBytes = 9;

void encode(const Event& event, ByteWriter& writer);
std::optional<Event> decode_event(ByteReader& reader);

void encode(const Block& block, ByteWriter& writer);
std::optional<Block> decode_block(ByteReader& reader);

std::string encode_entry(std::span<const Block> blocks);
std::optional<std::vector<Block>> decode_entry(std::string_view bytes);

}  // namespace ddt::model
