#pragma once
/// <out>/queue.json: what waits and why, for `status` while a scheduler runs. No part of the record: it is gone with
/// the scheduler, and one left behind by a killed one is told by its owner.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pionbench {

struct QueueView {
  struct Group {
    std::string reason;
    std::string label;  ///< of the next cell of the group
    int cells = 0;
  };
  std::vector<Group> waiting;
  std::optional<double> eta_s;
};

void write_queue(const std::filesystem::path& out, const QueueView& queue);
/// What a live scheduler says; nothing without one.
std::optional<QueueView> read_queue(const std::filesystem::path& out);
void remove_queue(const std::filesystem::path& out);

}  // namespace pionbench
