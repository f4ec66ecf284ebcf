#pragma once
/// The resumable state of a run: one file, <run>/checkpoint.pt, replaced as a whole. A run that goes on from it gives,
/// on a CPU, bit by bit the curves of one that was never stopped.
///
/// Holds    what the suite writes (weights, optimizer, order of the data), torch's own random states, the step, the
///          clocks (seconds of each phase so far), and the seq of the event that announces it.
/// Order    events to the disk, then the file (written beside, flushed, renamed), then the `checkpoint` event: killed
///          at any instant, file and spool agree, and what was reported behind the file is taken back
///          (docs/event-protocol.md, resumed_from).
/// Cost     the file's bytes to the disk, in phase `save`, outside the training clock: by default once a minute, and
///          never more than 2 % of the run's time.

#include <torch/torch.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <random>

#include "core/run_request.h"
#include "experiments/worker/events.h"
#include "optim/matrix_optimizer.h"
#include "optim/parameter.h"

namespace pionbench {

class Checkpoint {
 public:
  using Write = std::function<void(torch::serialize::OutputArchive&)>;
  using Read = std::function<void(torch::serialize::InputArchive&)>;

  /// Looks for the file when this is not the first attempt. One that is another cell's, or damaged, is passed over with
  /// a line on standard error: the run starts over. PIONBENCH_CHECKPOINT_SECONDS sets the interval (0: every step).
  Checkpoint(const RunRequest& request, std::filesystem::path folder, EventWriter& events);

  /// The step that the found checkpoint was written after, and the seq of its event; nothing found: 0 and -1.
  std::int64_t step() const { return step_; }
  std::int64_t resumed_from() const { return resumed_from_; }

  /// Hands the found state to `read` and returns its step; without one returns 0 and calls nothing.
  /// UserError (exit 70) when it does not fit what `read` expects.
  std::int64_t restore(const Read& read);

  /// Whether enough time has passed since the last one.
  bool is_due() const;
  /// Writes the state after `step`. UserError (exit 70) when it cannot be written; the older one then stays.
  void save(std::int64_t step, const Write& write);

 private:
  bool open();

  std::filesystem::path file_;
  std::string cell_;
  EventWriter& events_;
  double interval_;
  double saved_at_;
  double last_cost_ = 0;
  std::optional<torch::serialize::InputArchive> found_;
  std::int64_t step_ = 0;
  std::int64_t resumed_from_ = -1;
};

/// Weights by name; reading copies into the tensors, whose shapes must agree (UserError, exit 70).
void write_parameters(torch::serialize::OutputArchive& archive, const std::vector<optim::Parameter>& parameters);
void read_parameters(torch::serialize::InputArchive& archive, const std::vector<optim::Parameter>& parameters);

/// Single values and random states under a key.
void write_value(torch::serialize::OutputArchive& archive, const char* key, std::int64_t value);
std::int64_t read_value(torch::serialize::InputArchive& archive, const char* key);
void write_random(torch::serialize::OutputArchive& archive, const char* key, const std::mt19937_64& random);
void read_random(torch::serialize::InputArchive& archive, const char* key, std::mt19937_64& random);

/// Anything with save(OutputArchive&) and load(InputArchive&): an optimizer, whose state then stands where its
/// parameters do.
template <typename Part>
void write_part(torch::serialize::OutputArchive& archive, const char* key, const Part& part) {
  torch::serialize::OutputArchive inner(archive.compilation_unit());
  part.save(inner);
  archive.write(key, inner);
}
template <typename Part>
void read_part(torch::serialize::InputArchive& archive, const char* key, Part& part) {
  torch::serialize::InputArchive inner;
  archive.read(key, inner);
  part.load(inner);
  if constexpr (std::is_base_of_v<torch::optim::Optimizer, Part>) optim::place_state(part);
}

}  // namespace pionbench
