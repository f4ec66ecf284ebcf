/// usage: tokenizer_bench TOKENIZER_JSON TEXT_FILE
/// Encodes the lines of a text file one after the other, on one thread, and lets Python's `tokenizers` do the same in
/// the same run (PIONBENCH_HOME and PIONBENCH_PYTHON as for the tests). Prints bytes per second and their ratio; the
/// ids are compared first.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

#include "core/files.h"
#include "experiments/rlvr/data/tokenizer.h"
#include "tests/rlvr_data/fuzz_text.h"
#include "tests/rlvr_data/support.h"

int main(int argc, char** argv) {
  using namespace pionbench;
  using namespace pionbench::rlvr;
  if (argc != 3) {
    std::cerr << "usage: tokenizer_bench TOKENIZER_JSON TEXT_FILE\n";
    return kUsage;
  }
  try {
    const auto tokenizer = Tokenizer::load(argv[1]);
    std::istringstream in(read_file(argv[2]));
    std::vector<std::string> texts;
    std::string lines;
    std::size_t bytes = 0;
    for (std::string line; std::getline(in, line);) {
      bytes += line.size();
      lines += hex(line) + "\n";
      texts.push_back(std::move(line));
    }
    double best = 0;
    std::size_t tokens = 0;
    for (int pass = 0; pass < 3; ++pass) {
      tokens = 0;
      const auto begin = std::chrono::steady_clock::now();
      for (const auto& text : texts) tokens += tokenizer.encode(text).size();
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
      best = std::max(best, static_cast<double>(bytes) / seconds.count());
    }
    std::printf("%zu texts, %zu bytes, %zu tokens\nours        %10.2f MB/s\n", texts.size(), bytes, tokens, best / 1e6);
    const auto file = scratch("bench.hex"), ids = scratch("bench.ids"), speed = scratch("bench.speed");
    write_file_atomic(file, lines);
    const std::string both = std::string(argv[1]) + " " + file.string();
    if (run_tool("bpe_reference.py", "encode " + both + " " + ids.string()) != 0 ||
        run_tool("bpe_reference.py", "time " + both + " > " + speed.string()) != 0) {
      std::cerr << "no comparison: no Python with the package tokenizers at PIONBENCH_PYTHON\n";
      return kDone;
    }
    std::ifstream rows(ids);
    std::size_t wrong = 0, i = 0;
    for (std::string row; std::getline(rows, row); ++i) {
      if (row == "-") continue;
      std::istringstream numbers(row.substr(0, row.find('\t')));
      std::vector<std::int64_t> expected;
      for (std::int64_t id; numbers >> id;) expected.push_back(id);
      wrong += tokenizer.encode(texts[i]) != expected;
    }
    const double theirs = std::stod(read_file(speed));
    std::printf("tokenizers  %10.2f MB/s\nratio       %10.2f   (%zu of %zu texts differ)\n", theirs / 1e6,
                best / theirs, wrong, i);
    return wrong ? kFailed : kDone;
  } catch (const UserError& e) {
    std::cerr << "error: " << e.what() << "\n";
    return e.exit_code();
  }
}
