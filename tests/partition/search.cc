#include "tests/partition/search.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <unordered_set>
#include <vector>

#include "tests/partition/search_world.h"

namespace latchkey::search {
namespace {

class BreadthFirst {
 public:
  BreadthFirst(Server& server, const Scope& scope) : server_(server), scope_(scope) {}

  SearchReport Run();

 private:
  struct Node {
    std::uint32_t parent = 0;
    Move move;
  };

  std::unique_ptr<World> Again(std::size_t node) const;
  std::vector<Move> PathTo(std::size_t node) const;
  // True if the search is over.
  bool Expand(std::size_t node);
  bool Try(World& world, std::size_t node, const Move& move);
  bool OutOfBounds() const {
    return nodes_.size() >= scope_.bounds.states ||
           std::chrono::steady_clock::now() - start_ > scope_.bounds.time;
  }

  Server& server_;
  const Scope scope_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::vector<Node> nodes_;
  std::unordered_set<std::size_t> seen_;
  SearchReport report_;
};

std::vector<Move> BreadthFirst::PathTo(std::size_t node) const {
  std::vector<Move> path;
  for (; node != 0; node = nodes_[node].parent) path.push_back(nodes_[node].move);
  std::ranges::reverse(path);
  return path;
}

std::unique_ptr<World> BreadthFirst::Again(std::size_t node) const {
  auto world = std::make_unique<World>(server_, scope_);
  for (const Move& move : PathTo(node)) world->Make(move);
  return world;
}

bool BreadthFirst::Try(World& world, std::size_t node, const Move& move) {
  world.Make(move);
  ++report_.transitions;
  if (world.finding()) {
    report_.violation = world.finding()->name;
    report_.sentence = world.finding()->sentence;
    for (const Move& before : PathTo(node)) report_.trace.push_back(Print(before, scope_));
    report_.trace.push_back(Print(move, scope_));
    return true;
  }
  if (seen_.insert(std::hash<std::string>()(world.Encode())).second) {
    nodes_.push_back({static_cast<std::uint32_t>(node), move});
  }
  return false;
}

bool BreadthFirst::Expand(std::size_t node) {
  std::unique_ptr<World> world = Again(node);
  for (const Move& move : world->Moves()) {
    if (world == nullptr) world = Again(node);
    if (Try(*world, node, move)) return true;
    world.reset();
  }
  return false;
}

SearchReport BreadthFirst::Run() {
  nodes_.emplace_back();
  bool over = false;
  for (std::size_t next = 0; report_.depth < scope_.bounds.depth && !over;) {
    const std::size_t end = nodes_.size();
    for (; next < end && !over; ++next) over = OutOfBounds() || Expand(next);
    report_.states = nodes_.size();
    if (over) break;
    ++report_.depth;
    report_.complete = nodes_.size() == end;
    std::cerr << "depth " << report_.depth << ": " << report_.states << " states\n";
    over = report_.complete;
  }
  return report_;
}

}  // namespace

SearchReport Search(Server& server, const Scope& scope) {
  return BreadthFirst(server, scope).Run();
}

}  // namespace latchkey::search
