#pragma once
/// A device apart, for machines without a GPU: torch's PrivateUse1 backend, whose memory the host cannot touch.
/// What works there keeps tensors where they belong and moves them on purpose, which is what a GPU asks of a program;
/// numbers, kernels and speed of a GPU it says nothing about.
///
/// Operations   are those of the CPU, on a second mapping of the same pages.
/// Refused      as CUDA does, with c10::Error: operands on the CPU (but for numbers, of no dimensions) beside ones on
///              the device, and the CPU's random generators.
/// Faults       with a line on standard error: host code that follows a pointer into the device's memory.

#include <torch/torch.h>

namespace pionbench {

/// The device; registers it at the first call.
torch::Device separate_device();

}  // namespace pionbench
