// Lets the answers of a batch that go the same way go together: while a ReplyGathering lives on a
// thread, whoever has something to send on that thread is asked to do so once, at the end.
#pragma once

#include <memory>
#include <vector>

namespace latchkey {

class Gathered {
 public:
  virtual ~Gathered() = default;
  // Sends what there is.
  virtual void Flush() = 0;
};

// Confined to the thread that makes it.
class ReplyGathering {
 public:
  ReplyGathering();
  ~ReplyGathering();
  ReplyGathering(const ReplyGathering&) = delete;
  ReplyGathering& operator=(const ReplyGathering&) = delete;

  // Flushes what was gathered so far.
  void Flush();

  // Flushes `gathered` when this thread's outermost ReplyGathering says so; at once if there is
  // none.
  static void FlushLater(std::shared_ptr<Gathered> gathered);

 private:
  bool outermost_;
  std::vector<std::shared_ptr<Gathered>> gathered_;
};

}  // namespace latchkey
