#include "server/partition/ended_attempts.h"

#include <iterator>

namespace latchkey {
namespace {

// A zero byte is in none of the parts.
std::string NameOf(std::string_view store_key, std::string_view attempt_id) {
  std::string name(store_key);
  name.push_back('\0');
  name.append(attempt_id);
  return name;
}

}  // namespace

EndedAttempts::EndedAttempts(Duration memory, std::size_t attempts_max)
    : memory_(memory), attempts_max_(attempts_max) {}

void EndedAttempts::AddFormer(std::string_view store_key, std::string_view attempt_id) {
  // Whoever had the key before has been superseded by this attempt's grant, so there is no other.
  former_oldest_first_.push_back({std::string(store_key), std::string(attempt_id)});
  const auto newest = std::prev(former_oldest_first_.end());
  former_[newest->store_key] = newest;
  if (former_.size() <= attempts_max_) return;
  former_.erase(former_oldest_first_.front().store_key);
  former_oldest_first_.pop_front();
}

void EndedAttempts::Supersede(std::string_view store_key, std::string_view attempt_id,
                              MonotonicTime now) {
  const auto found = former_.find(store_key);
  if (found == former_.end()) return;
  const auto former = found->second;
  if (former->attempt_id != attempt_id) Add(store_key, former->attempt_id, now);
  former_.erase(found);
  former_oldest_first_.erase(former);
}

void EndedAttempts::Add(std::string_view store_key, std::string_view attempt_id,
                        MonotonicTime now) {
  while (!oldest_first_.empty() &&
         (oldest_first_.front().until <= now || oldest_first_.size() >= attempts_max_)) {
    const Ended& oldest = oldest_first_.front();
    const auto found = until_.find(oldest.name);
    if (found != until_.end() && found->second == oldest.until) until_.erase(found);
    oldest_first_.pop_front();
  }
  const MonotonicTime until = now + memory_;
  std::string name = NameOf(store_key, attempt_id);
  until_[name] = until;
  oldest_first_.push_back({until, std::move(name)});
}

bool EndedAttempts::Contains(std::string_view store_key, std::string_view attempt_id,
                             MonotonicTime now) const {
  if (until_.empty()) return false;
  const auto found = until_.find(NameOf(store_key, attempt_id));
  return found != until_.end() && found->second > now;
}

}  // namespace latchkey
