// The corpora in the repository are what make_corpus writes.
#include "tests/fuzz/corpus.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::fuzz {
namespace {

namespace fs = std::filesystem;

TEST(FuzzCorpusTest, IsWhatMakeCorpusWrites) {
  const fs::path top(LATCHKEY_FUZZ_CORPUS);
  std::map<std::string, std::string> kept;
  for (const auto& entry : fs::recursive_directory_iterator(top)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    kept[fs::relative(entry.path(), top)] = std::string(std::istreambuf_iterator<char>(in), {});
  }
  EXPECT_EQ(kept, MakeCorpus()) << "write it again: make_corpus " << top;
}

}  // namespace
}  // namespace latchkey::fuzz
