// Results for people (a table) and for programs (JSON).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/load_generator/measurement.h"

namespace latchkey::bench {

// The rows with their medians, and the smallest and largest rate.
void PrintTable(const std::vector<Row>& rows);

// Rows that differ by their `part`, each beside the first one: rates and 99th percentiles, and what
// share of the first one's they are. `heading` is that of the parts. What rows have in `more`
// stands behind. Adds the shares to the rows' JSON.
void PrintBesideFirst(const std::string& heading, std::vector<Row>& rows);

// An array of objects, one for each row: medians, their minimum and maximum beside them.
absl::Status WriteJson(const std::vector<Row>& rows, const std::string& path);

// A line that tells how far a long run is; overwritten by the next on a terminal.
void ShowProgress(const std::string& what);

}  // namespace latchkey::bench
