#include "sidecar/figures/figure_rows.hpp"

namespace ddt::sidecar {
namespace {

constexpr std::size_t kNameBytesMax = 100, kLabelsBytesMax = 190;
constexpr int128 kColumnEnd = static_cast<int128>(1'000'000'000'000'000) * 1'000'000'000'000'000;

}  // namespace

std::string_view fit(std::string_view text, std::size_t bytes) noexcept {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0U) == 0x80U) --bytes;
  return text.substr(0, bytes);
}

FigureRow& FigureRows::value(std::string_view name, int128 value_e8, std::string_view labels) {
  if (value_e8 >= kColumnEnd || value_e8 <= -kColumnEnd) return null(name, "overflow", labels);
  rows_.push_back({.name = std::string(fit(name, kNameBytesMax)),
                   .labels = std::string(fit(labels, kLabelsBytesMax)),
                   .value_e8 = value_e8,
                   .reason = {},
                   .notes = {}});
  return rows_.back();
}

FigureRow& FigureRows::null(std::string_view name, std::string_view reason,
                            std::string_view labels) {
  rows_.push_back({.name = std::string(fit(name, kNameBytesMax)),
                   .labels = std::string(fit(labels, kLabelsBytesMax)),
                   .value_e8 = {},
                   .reason = std::string(reason),
                   .notes = {}});
  return rows_.back();
}

FigureRow& FigureRows::value_or(std::string_view name, std::optional<int128> value_e8,
                                std::string_view reason, std::string_view labels) {
  return value_e8 ? value(name, *value_e8, labels) : null(name, reason, labels);
}

void FigureRows::count(std::string_view name, std::uint64_t n, std::string_view labels) {
  value(name, static_cast<int128>(n) * kE8, labels);
}

void FigureRows::all(std::span<const model::Figure> figures) {
  for (const model::Figure& figure : figures) value_or(figure.name, figure.value_e8, figure.reason);
}

}  // namespace ddt::sidecar
