#include "tools/simulation/trace.h"

#include <array>
#include <cstdio>

namespace latchkey::simulation {

void Trace::Add(Duration now, std::string_view who, std::string_view what) {
  std::array<char, 48> time;
  const auto nanos = static_cast<long long>(now.count());
  const int length = std::snprintf(time.data(), time.size(), "%5lld.%09lld  ",
                                   nanos / 1'000'000'000, nanos % 1'000'000'000);
  std::string line(time.data(), static_cast<std::size_t>(length));
  line.append(who).append("  ").append(what);
  for (const char c : line) {  // FNV-1a
    hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  }
  if (print_all_) std::printf("%s\n", line.c_str());
  last_.push_back(std::move(line));
  if (last_.size() > kKept) last_.pop_front();
}

std::string Trace::Last() const {
  std::string all;
  for (const std::string& line : last_) all.append(line).append("\n");
  return all;
}

}  // namespace latchkey::simulation
