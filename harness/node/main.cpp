/// pionbench-node: what pionbench runs on the machine that does the work.
///   pionbench-node task BATCH_FOLDER    one task of a Slurm array (harness/slurm/node_task.h)
///   pionbench-node command RUN_FOLDER   becomes the program of a `suite: command` (harness/schedule/user_program.h)

#include <cstdio>
#include <span>
#include <string>

#include "core/error.h"
#include "harness/schedule/user_program.h"
#include "harness/slurm/node_task.h"

int main(int argc, char** argv) {
  using namespace pionbench;
  const std::span<char*> args(argv, static_cast<std::size_t>(argc));
  try {
    const std::string verb = args.size() == 3 ? args[1] : "";
    if (verb == "task") return run_node_task(node_task_of_environment(args[2]));
    if (verb == "command") become_user_program(args[2]);
    std::fputs("usage: pionbench-node task BATCH_FOLDER | command RUN_FOLDER\n", stderr);
    return kUsage;
  } catch (const UserError& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return e.exit_code();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "internal error: %s\n", e.what());
    return kInternal;
  }
}
