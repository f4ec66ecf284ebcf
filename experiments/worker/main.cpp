/// pionbench-worker: one process, one run.
///   pionbench-worker describe           prints the catalog
///   pionbench-worker run RUN_FOLDER     reads run.json there, appends events.jsonl, exits as docs/event-protocol.md
///   says

#include <torch/torch.h>

#include <cstdio>
#include <iostream>
#include <span>

#include "core/catalog.h"
#include "core/error.h"
#include "core/files.h"
#include "experiments/suite.h"
#include "experiments/worker/allocator.h"
#include "experiments/worker/environment.h"
#include "experiments/worker/stop.h"
#include "optim/registry.h"

namespace pionbench {
namespace {

Catalog catalog() {
  Catalog out;
  for (const auto& entry : optim::registry()) out.optimizers.push_back(entry.info);
  for (const auto& entry : suites()) out.suites.push_back(entry.info);
  return out;
}

/// "cpu", "cuda" or "cuda:1" as a device that is really there.
torch::Device parse_device(const std::string& text) {
  try {
    const torch::Device device(text);
    if (device.is_cpu()) return device;
    if (device.is_cuda()) {
      if (!torch::cuda::is_available())
        throw UserError("setting \"device\": got " + text +
                        ", but this libtorch sees no CUDA device; use device=cpu, or a CUDA build of torch on a GPU");
      const auto count = static_cast<int>(torch::cuda::device_count());
      if (device.has_index() && device.index() >= count)
        throw UserError("setting \"device\": got " + text + ", allowed: cuda:0 to cuda:" + std::to_string(count - 1));
      return device;
    }
  } catch (const c10::Error&) {
  }
  throw UserError("setting \"device\": got \"" + text + "\", allowed: cpu, cuda, cuda:<n>");
}

torch::Dtype parse_dtype(const std::string& text) {
  if (text == "float64") return torch::kFloat64;
  return text == "bfloat16" ? torch::kBFloat16 : torch::kFloat32;
}

bool is_out_of_memory(const std::exception& e) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&e) || dynamic_cast<const std::bad_alloc*>(&e)) return true;
  // torch's CPU allocator throws a plain c10::Error.
  const std::string_view text = e.what();
  return text.find("can't allocate memory") != std::string_view::npos ||
         text.find("not enough memory") != std::string_view::npos;
}

int run(const std::filesystem::path& folder) {
  const auto file = folder / "run.json";
  const std::string text = read_file(file);
  const auto json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) throw UserError(file.string() + ": not valid JSON");
  const RunRequest request = run_request_from_json(json, file.string());

  torch::set_num_threads(request.threads);
  torch::set_num_interop_threads(1);
  const auto& entry = find_suite(request.config.suite);
  entry.info.table.check_relations(request.config.settings);
  const auto setting = [&](const char* name, const char* otherwise) {
    const auto it = request.config.settings.find(name);
    return it == request.config.settings.end() ? std::string(otherwise) : to_text(it->second);
  };
  const auto device = parse_device(setting("device", "cpu"));
  const auto dtype = parse_dtype(setting("dtype", "float32"));

  EventWriter events(folder / "events.jsonl");
  Checkpoint checkpoint(request, folder, events);
  events.run_started(request.run, request.cell, request.attempt, environment(device, request.threads),
                     checkpoint.resumed_from(), checkpoint.step());
  RunContext context{request, folder, events, device, dtype, checkpoint};
  const RunOutcome outcome = entry.run(context);
  if (outcome.status == RunStatus::kInterrupted) return kInterrupted;
  const bool diverged = outcome.status == RunStatus::kDiverged;
  events.run_finished(diverged ? "diverged" : "done", outcome.step, outcome.reason);
  return diverged ? kDiverged : kDone;
}

}  // namespace
}  // namespace pionbench

int main(int argc, char** argv) {
  using namespace pionbench;
  const std::span<char*> args(argv, static_cast<std::size_t>(argc));
  try {
    if (args.size() == 2 && std::string(args[1]) == "describe") {
      std::cout << to_json(catalog()).dump(1) << "\n";
      return kDone;
    }
    if (args.size() == 3 && std::string(args[1]) == "run") {
      stop_on_signals();
      keep_freed_memory();
      return run(args[2]);
    }
    std::cerr << "usage: pionbench-worker describe | run RUN_FOLDER\n";
    return kUsage;
  } catch (const UserError& e) {
    std::cerr << "error: " << e.what() << "\n";
    return e.exit_code();
  } catch (const std::exception& e) {
    if (is_out_of_memory(e)) {
      std::cerr << "out of memory: " << std::string_view(e.what()).substr(0, 300) << "\n";
      return kOutOfMemory;
    }
    std::cerr << "internal error: " << e.what() << "\n";
    return kInternal;
  }
}
