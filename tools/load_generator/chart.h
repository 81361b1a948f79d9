// Charts of the results, as SVG, drawn by gnuplot.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"

namespace latchkey::bench {

struct Bar {
  std::string name;
  double value = 0;
  bool ours = false;  // stands out
};

// A bar for each of several systems.
struct BarPanel {
  std::string title;
  std::string unit;
  std::vector<Bar> bars;
};

struct Line {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

// Figures over another one, which grows by factors.
struct LinePanel {
  std::string title;
  std::string x_label;
  std::string unit;
  // The figures too grow by factors.
  bool logarithmic = false;
  std::vector<Line> lines;
};

// For a label: 12345 -> "12.3k".
std::string ShortNumber(double value);

using Panel = std::variant<BarPanel, LinePanel>;

// Draws the panels side by side into the SVG file `path`, and says where it is. UNAVAILABLE, with
// gnuplot's words, if it cannot.
absl::Status DrawChart(const std::string& title, const std::vector<Panel>& panels,
                       const std::string& path);

}  // namespace latchkey::bench
