#pragma once
/// What a result depends on besides its configuration: machine, device, versions, code.

#include <torch/torch.h>

#include <map>
#include <string>

namespace pionbench {

std::map<std::string, std::string> environment(const torch::Device& device, int threads);

}  // namespace pionbench
