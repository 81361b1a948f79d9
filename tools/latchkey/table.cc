#include "tools/latchkey/table.h"

#include <algorithm>

namespace latchkey::cli {
namespace {

constexpr const char* kReset = "\033[0m";

const char* CodeOf(Tint tint) {
  switch (tint) {
    case Tint::kNone:
      return "";
    case Tint::kBold:
      return "\033[1m";
    case Tint::kGreen:
      return "\033[32m";
    case Tint::kYellow:
      return "\033[33m";
    case Tint::kRed:
      return "\033[1;31m";
    case Tint::kFaint:
      return "\033[2m";
  }
  return "";
}

// The length of the UTF-8 character at `at`; 0 where there is none, or a control character.
std::size_t CharacterAt(const std::string& bytes, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + length > bytes.size()) return 0;
  for (std::size_t i = at + 1; i < at + length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // U+0080 to U+009F drive terminals, too; surrogates, overlong and beyond U+10FFFF are no UTF-8.
  const unsigned char second = byte(at + 1);
  const bool wrong = (first == 0xC2 && second < 0xA0) || (first == 0xE0 && second < 0xA0) ||
                     (first == 0xED && second >= 0xA0) || (first == 0xF0 && second < 0x90) ||
                     (first == 0xF4 && second >= 0x90);
  return wrong ? 0 : length;
}

// How many characters a terminal shows, taking each for one column.
std::size_t WidthOf(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

std::string Tinted(const std::string& text, Tint tint, bool on) {
  if (!on || tint == Tint::kNone || text.empty()) return text;
  return CodeOf(tint) + text + kReset;
}

std::string Printable(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = CharacterAt(bytes, at);
    if (length > 0) {
      text.append(bytes, at, length);
    } else {
      const auto code = static_cast<unsigned char>(bytes[at]);
      text += {'\\', 'x', kDigits[code / 16], kDigits[code % 16]};
    }
    at += std::max<std::size_t>(length, 1);
  }
  return text;
}

std::vector<std::size_t> Table::Widths() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = std::max(columns_[i].width, WidthOf(columns_[i].name));
    for (const auto& row : rows_) width = std::max(width, WidthOf(row[i].text));
    widths.push_back(width);
  }
  return widths;
}

std::string Table::Line(const std::vector<Cell>& row, const std::vector<std::size_t>& widths,
                        bool colors) const {
  std::string line;
  std::string blanks;  // due before the next text
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::string padding(widths[i] - WidthOf(row[i].text), ' ');
    if (columns_[i].align == Align::kRight) blanks += padding;
    if (!row[i].text.empty()) {
      line += blanks + Tinted(row[i].text, row[i].tint, colors);
      blanks.clear();
    }
    if (columns_[i].align == Align::kLeft) blanks += padding;
    blanks += "  ";
  }
  return line + "\n";
}

std::string Table::Text(bool colors) const {
  const auto widths = Widths();
  std::string text;
  std::vector<Cell> heads;
  bool named = false;
  for (const Column& column : columns_) {
    heads.emplace_back(column.name, Tint::kBold);
    named |= !column.name.empty();
  }
  if (named) text += Line(heads, widths, colors);
  for (auto row : rows_) {
    if (!named && row[0].tint == Tint::kNone) row[0].tint = Tint::kFaint;
    text += Line(row, widths, colors);
  }
  return text;
}

}  // namespace latchkey::cli
