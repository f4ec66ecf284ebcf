#pragma once
/// The store's scalars as TensorBoard event files, for those who live there. Nothing of TensorFlow is needed to write
/// them: TFRecord (length, masked CRC-32C, payload, masked CRC-32C) around protobuf messages Event.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "store/store.h"

namespace pionbench {

struct TensorBoardReport {
  std::size_t runs = 0, points = 0;
};

/// Writes <folder>/<experiment>.<scale>/<arm and coordinates>/events.out.tfevents.<start>.pionbench for the run behind
/// each cell, finished or not. Tags are metric names; values are float32, as the format has them; wall time is the
/// run's start plus its training clock. The same store gives the same bytes; files of the same name are replaced.
TensorBoardReport write_tensorboard(const Store& store, const std::filesystem::path& folder);

std::uint32_t crc32c(std::string_view bytes);              ///< Castagnoli, reflected, as in iSCSI
std::string tensorboard_record(std::string_view payload);  ///< one TFRecord

}  // namespace pionbench
