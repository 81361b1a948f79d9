#include "tools/load_generator/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <fstream>

#include "tools/load_generator/run_program.h"

namespace latchkey::bench {
namespace {

constexpr char kGnuplot[] = "/usr/bin/gnuplot";
constexpr int kPanelWidth = 620;
constexpr int kPanelHeight = 460;
constexpr int kColumnsMax = 3;

// In gnuplot's single quotes everything stands for itself, but for the quote.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "'";
}

void Write(std::ofstream& script, std::size_t number, const BarPanel& panel) {
  const std::string data = "$panel" + std::to_string(number);
  script << data << " << END\n";
  double highest = 0;
  for (const Bar& bar : panel.bars) {
    highest = std::max(highest, bar.value);
    script << '"' << bar.name << "\" " << bar.value << " \"" << ShortNumber(bar.value) << "\" "
           << (bar.ours ? 0x1f6fb2 : 0xa9b4bf) << "\n";
  }
  script << "END\n"
         << "set title " << Quoted(panel.title) << "\n"
         << "set ylabel " << Quoted(panel.unit) << "\nunset xlabel\nunset key\n"
         << "unset logscale\nset format y " << (highest < 1000 ? "'%g'" : "'%.1s%c'") << "\n"
         << "set xrange [-0.6:" << static_cast<double>(panel.bars.size()) - 0.4 << "]\n"
         << "set yrange [0:" << (highest > 0 ? 1.12 * highest : 1) << "]\n"
         << "set xtics rotate by 30 right nomirror scale 0\n"
         << "plot " << data << " using 0:2:4:xtic(1) with boxes linecolor rgb variable, " << data
         << " using 0:2:3 with labels offset 0,0.7\n";
}

void Write(std::ofstream& script, std::size_t number, const LinePanel& panel) {
  double lowest_x = INFINITY;
  double highest_x = 0;
  for (std::size_t line = 0; line < panel.lines.size(); ++line) {
    script << "$panel" << number << "_" << line << " << END\n";
    for (const auto& [x, y] : panel.lines[line].points) {
      lowest_x = std::min(lowest_x, x);
      highest_x = std::max(highest_x, x);
      script << x << " " << y << "\n";
    }
    script << "END\n";
  }
  script << "set title " << Quoted(panel.title) << "\n"
         << "set ylabel " << Quoted(panel.unit) << "\nset xlabel " << Quoted(panel.x_label) << "\n"
         << "set key top left Left reverse\nunset logscale\nset logscale x\n"
         << (panel.logarithmic ? "set logscale y\nset yrange [*:*]\n" : "set yrange [0:*]\n")
         << "set format y '%.1s%c'\nset format x '%.0f'\nset xtics norotate nomirror autofreq "
            "scale 1\n"
         << "set xrange [" << lowest_x * 0.8 << ":" << highest_x * 1.25 << "]\n";
  if (!panel.lines.empty()) {
    script << "set xtics (";
    const char* comma = "";
    for (const auto& [x, y] : panel.lines.front().points) {
      script << comma << Quoted(ShortNumber(x)) << " " << x;
      comma = ", ";
    }
    script << ")\n";
  }
  script << "plot ";
  for (std::size_t line = 0; line < panel.lines.size(); ++line) {
    script << (line == 0 ? "" : ", ") << "$panel" << number << "_" << line
           << " using 1:2 with linespoints linewidth 2 pointtype 7 title "
           << Quoted(panel.lines[line].name);
  }
  script << "\n";
}

}  // namespace

std::string ShortNumber(double value) {
  std::array<char, 32> text{};
  if (value >= 1e6) {
    std::snprintf(text.data(), text.size(), "%.3gM", value / 1e6);
  } else if (value >= 1e3) {
    std::snprintf(text.data(), text.size(), value >= 1e5 ? "%.0fk" : "%.3gk", value / 1e3);
  } else {
    std::snprintf(text.data(), text.size(), "%.3g", value);
  }
  return text.data();
}

absl::Status DrawChart(const std::string& title, const std::vector<Panel>& panels,
                       const std::string& path) {
  const std::string script_path = path + ".gnuplot";
  const std::string log = path + ".log";
  const int count = static_cast<int>(panels.size());
  const int columns = count > kColumnsMax ? (count + 1) / 2 : count;
  const int rows = count > kColumnsMax ? 2 : 1;
  std::ofstream script(script_path);
  script << "set terminal svg noenhanced size " << kPanelWidth * columns << ","
         << kPanelHeight * rows << " font 'sans-serif,13' background 'white'\n"
         << "set output " << Quoted(path) << "\n"
         << "set multiplot layout " << rows << "," << columns << " title " << Quoted(title) << "\n"
         << "set style fill solid noborder\nset boxwidth 0.7\n"
         << "set border 3 linecolor '#606060'\nset grid ytics linecolor '#dddddd'\n"
         << "set bmargin 5\nset ytics nomirror\n";
  for (std::size_t number = 0; number < panels.size(); ++number) {
    std::visit([&](const auto& panel) { Write(script, number, panel); }, panels[number]);
  }
  script << "unset multiplot\n";
  script.close();
  if (const auto drawn = RunProgram({{kGnuplot, script_path}, log}); !drawn.ok())
    return drawn.status();
  std::remove(script_path.c_str());
  std::remove(log.c_str());
  std::printf("written: %s\n", path.c_str());
  return absl::OkStatus();
}

}  // namespace latchkey::bench
