#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/vla/policy/policy.h"
#include "experiments/vla/sim/scene.h"
#include "tests/vla/fixture.h"

namespace pionbench::vla {

inline PolicyConfig tiny(HeadKind head = HeadKind::kL1) {
  PolicyConfig c;
  c.image = 8;
  c.patch = 4;
  c.stem_patch = 2;
  c.vision_width = 8;
  c.vision_layers = 1;
  c.vision_heads = 2;
  c.width = 12;
  c.layers = 2;
  c.heads = 3;
  c.queries = 3;
  c.words = 6;
  c.head = head;
  c.action_width = 8;
  c.action_heads = 2;
  c.chunk = 4;
  c.vocabulary = {"bowl", "close", "milk", "put", "the"};
  return c;
}

/// A policy all of whose weights count: the fresh one has zeros.
inline Policy stirred(HeadKind head, torch::Dtype dtype = torch::kFloat64) {
  Policy policy(tiny(head), 3, torch::kCPU, dtype);
  const torch::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator(7);
  for (const auto& p : policy.parameters())
    p.tensor.detach().add_(.2 * torch::randn(p.tensor.sizes(), generator, torch::TensorOptions()).to(dtype));
  return policy;
}

inline Observation observation(std::int64_t batch, torch::Dtype dtype = torch::kFloat64) {
  auto generator = at::detail::createCPUGenerator(11);
  const auto randn = [&](at::IntArrayRef shape) {
    return torch::randn(shape, generator, torch::TensorOptions()).to(dtype);
  };
  Observation out;
  out.images = randn({batch, 2, 8, 8, 3});
  out.words = torch::tensor({{5, 6, 2, 0}, {3, 4, 6, 2}, {5, 0, 0, 0}}, torch::kInt64)
                  .repeat({(batch + 2) / 3, 1})
                  .narrow(0, 0, batch);
  out.proprio = randn({batch, kProprioSize});
  return out;
}

}  // namespace pionbench::vla
