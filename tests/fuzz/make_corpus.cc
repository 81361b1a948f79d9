// Writes the corpora of the fuzz targets, which are in the repository; so they can be made again,
// and changed here.
//
//   make_corpus DIRECTORY     DIRECTORY/TARGET/NAME
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/fuzz/corpus.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus DIRECTORY\n");
    return 2;
  }
  const std::filesystem::path top(argv[1]);
  std::size_t bytes = 0;
  const auto corpus = latchkey::fuzz::MakeCorpus();
  for (const auto& [name, input] : corpus) {
    const std::filesystem::path file = top / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out << input;
    if (!out.flush()) {
      std::fprintf(stderr, "make_corpus: cannot write %s\n", file.c_str());
      return 1;
    }
    bytes += input.size();
  }
  std::printf("files=%zu bytes=%zu\n", corpus.size(), bytes);
  return 0;
}
