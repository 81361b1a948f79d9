// What a shop would write: runs its work once, and then again.
#include <latchkey/client.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  latchkey::Client client = latchkey::Client::Connect(argv[1]);
  int charges = 0;
  const auto pay = [&] {
    return client.RunOnce("order:1", {}, [&](latchkey::Attempt&) {
      ++charges;
      return latchkey::Succeeded({.provider_reference = "ch_1"});
    });
  };
  const latchkey::RunResult first = pay();
  const latchkey::RunResult second = pay();
  std::printf("%s %s, %d charge\n", ToString(first.status), ToString(second.status), charges);
  return first.result && second.result && second.replayed && charges == 1 ? 0 : 1;
}
