#include "harness/cli/verbs.h"

int main(int argc, char** argv) {
  return pionbench::run_command_line(argc, argv);
}
