#include "farewell.h"

#include <utility>

namespace latchkey::inline client::internal {

Farewell::Farewell()
    : first_pass_(all_said_.get(), [all_said = all_said_](const void*) { all_said->Set(); }),
      open_passes_(first_pass_) {}

void Farewell::Add(const std::shared_ptr<const v1::ReleaseRequest>& ending) {
  MutexLock lock(mutex_);
  endings_.emplace(ending->attempt_id(), ending);
}

Farewell::Pass Farewell::Remove(const v1::ReleaseRequest& ending) {
  // First: whoever closes finds the attempt, or this pass.
  Pass pass = Begin();
  MutexLock lock(mutex_);
  endings_.erase(ending.attempt_id());
  return pass;
}

Farewell::Pass Farewell::TakePass() {
  MutexLock lock(mutex_);
  return std::exchange(first_pass_, nullptr);
}

std::vector<std::shared_ptr<const v1::ReleaseRequest>> Farewell::TakeEndings() {
  std::vector<std::shared_ptr<const v1::ReleaseRequest>> endings;
  MutexLock lock(mutex_);
  for (auto& [attempt_id, ending] : std::exchange(endings_, {})) {
    endings.push_back(std::move(ending));
  }
  return endings;
}

}  // namespace latchkey::inline client::internal
