// What the subcommands print, and how they end.
#pragma once

#include <string>

#include "latchkey/answer.h"
#include "latchkey/v1/admin.pb.h"
#include "tools/latchkey/exit_codes.h"
#include "tools/latchkey/table.h"
#include <google/protobuf/message.h>

namespace latchkey::cli {

// How results are printed: for people, or one JSON document a line, with the API's field names.
enum class Format { kTable, kJson };

// Prints to the standard output.
class Output {
 public:
  Output(Format format, bool colors) : format_(format), colors_(colors) {}

  bool json() const { return format_ == Format::kJson; }
  // One line.
  void Json(const google::protobuf::Message& message) const;
  void Text(const std::string& text) const;
  void Lines(const Table& table) const { Text(table.Text(colors_)); }

 private:
  Format format_;
  bool colors_;
};

// One line on the standard error, that begins with "latchkey: ".
void Note(const std::string& line);

// Says why there is no answer, and gives the code to end with.
ExitCode Fail(const Error& error);

// A state's name, coloured.
Cell StateCell(v1::CheckResultResponse::State state);
// "SUCCEEDED captured ch_42": what is worth a line of a result.
std::string Summary(const v1::Result& result);
// All that is known of a record, for people, a line each.
Table Describe(const v1::Record& record);
// Those of a result alone.
void Describe(const v1::Result& result, Table& table);

}  // namespace latchkey::cli
