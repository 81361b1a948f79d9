// Columns of text for a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace latchkey::cli {

// How a cell is coloured, where colours are on.
enum class Tint { kNone, kBold, kGreen, kYellow, kRed, kFaint };

// `text` in that colour; as it is where `on` is false.
std::string Tinted(const std::string& text, Tint tint, bool on);

// What is not printable ASCII or UTF-8 as \xHH, so that nobody's bytes drive the terminal.
std::string Printable(const std::string& bytes);

// One field of a row.
struct Cell {
  // NOLINTBEGIN(google-explicit-constructor): so that a text is a cell.
  Cell(std::string its_text, Tint its_tint = Tint::kNone)
      : text(std::move(its_text)), tint(its_tint) {}
  Cell(const char* its_text) : text(its_text) {}
  // NOLINTEND(google-explicit-constructor)
  std::string text;
  Tint tint = Tint::kNone;
};

// Where the text of a column stands.
enum class Align { kLeft, kRight };

// A column's head, where its cells stand, and how wide it is at least.
struct Column {
  std::string name;
  Align align = Align::kLeft;
  std::size_t width = 0;
};

// Rows of equal length; columns are as wide as their widest cell, two blanks apart.
class Table {
 public:
  // Columns without any name have no line of heads; the first one then names what stands beside it.
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // As many cells as there are columns.
  void Add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  // Lines with no blanks at their ends.
  std::string Text(bool colors) const;

 private:
  std::vector<std::size_t> Widths() const;
  std::string Line(const std::vector<Cell>& row, const std::vector<std::size_t>& widths,
                   bool colors) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace latchkey::cli
