// Drives the real machine and the naive model with the same commands and compares everything that
// can be seen of them: every answer, what has to be durable, the record, the lease. Checks the
// Invariants too.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/machine/invariants.h"
#include "server/machine/record_machine.h"
#include "tests/machine/model_commands.h"
#include "tests/machine/naive_model.h"

namespace latchkey::naive {

// How often each thing was exercised.
using Counts = std::map<std::string, std::uint64_t, std::less<>>;

inline constexpr std::string_view kNamespace = "default";
inline constexpr std::string_view kKey = "order:123";

// The history of one key.
class KeyHistory {
 public:
  explicit KeyHistory(Counts* counts);

  // What the two disagree about, or the invariant that is broken; nothing if all is well.
  std::optional<std::string> Apply(const Command& command);

 private:
  World MakeWorld(const Command& command) const;
  Context MakeContext(const World& world) const;
  Token Choose(TokenChoice choice) const;
  std::optional<Nanos> ChooseSentAt(SentAt choice) const;
  Nanos ChooseStep(TimeStep step) const;
  std::string AttemptOf(int caller) const;
  void Advance(const Command& command);
  std::optional<std::string> Commit();
  std::optional<std::string> Crash();
  void BackUp();
  std::optional<std::string> Restore();

  // Each decides on both sides and gives both answers.
  void Acquire(const Command& command, const World& world, Answer* real, Answer* model);
  void Renew(const Command& command, const World& world, Answer* real, Answer* model);
  void Check(const Command& command, const World& world, Answer* real, Answer* model);
  void Record(const Command& command, const World& world, Answer* real, Answer* model);
  void Release(const Command& command, const World& world, Answer* real, Answer* model);
  void Admin(const Command& command, const World& world, Answer* real, Answer* model);
  void LapseOrUndo(const Command& command, const World& world, Answer* real, Answer* model);
  std::optional<std::string> GetRecord(const World& world);
  std::optional<std::string> Compare(const World& world, const Answer& real, const Answer& model);
  void Count(const Command& command, const Stored& before, const Answer& answer);

  template <class Request, class Response>
  Step DecideReal(const Request& request, const World& world, Response* response);

  Counts* counts_;
  Limits limits_;
  NamespaceSettings namespace_settings_;
  Model model_;
  KeyState key_;
  // What a crash goes back to.
  std::optional<storage::v1::Record> committed_record_;
  Stored committed_;
  std::optional<std::string> complaint_;  // raised while an answer was looked at
  Nanos monotonic_;
  Nanos retention_;
  Nanos latest_ahead_ = 0;
  Nanos steady_since_ = 0;
  Nanos horizon_ = 0;
  Token highest_ = 0;
  // What a restore goes back to, and what it leaves unknown.
  std::optional<storage::v1::Record> backup_record_;
  std::optional<Model> backup_;
  Nanos backup_at_ = 0;
  Token restored_ = 0;
  bool doubtful_ = false;
  Nanos restored_at_ = 0, unknown_since_ = 0;
  std::vector<Token> tokens_;           // given to this key
  std::vector<int> attempts_;           // of each caller
  std::map<std::string, Nanos> ended_;  // attempt -> when
};

}  // namespace latchkey::naive
