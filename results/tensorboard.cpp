#include "results/tensorboard.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <ctime>

#include "core/files.h"
#include "results/evidence.h"

namespace pionbench {
namespace {

template <typename Unsigned>
std::string little_endian(Unsigned value) {
  std::string out;
  for (std::size_t i = 0; i < sizeof(value); ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  return out + static_cast<char>(value);
}

// Protobuf's wire types.
enum Wire : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
std::string key(unsigned field, Wire wire) {
  return varint(field << 3 | wire);
}
std::string bytes_field(unsigned field, std::string_view bytes) {
  return key(field, kBytes) + varint(bytes.size()) + std::string(bytes);
}

/// Event {1: wall_time, 2: step, 3: file_version, 5: Summary {1: Value {1: tag, 2: simple_value}}}
std::string event_head(double wall_time) {
  return key(1, kFixed64) + little_endian(std::bit_cast<std::uint64_t>(wall_time));
}
std::string scalar_event(double wall_time, std::int64_t step, const std::string& tag, double value) {
  const std::string simple = key(2, kFixed32) + little_endian(std::bit_cast<std::uint32_t>(static_cast<float>(value)));
  return event_head(wall_time) + key(2, kVarint) + varint(static_cast<std::uint64_t>(step)) +
         bytes_field(5, bytes_field(1, bytes_field(1, tag) + simple));
}

/// "2026-01-02T03:04:05.678Z" as seconds since 1970; 0 where it is something else.
double epoch_of(const std::string& utc) {
  std::tm time{};
  double seconds = 0;
  if (std::sscanf(utc.c_str(), "%d-%d-%dT%d:%d:%lfZ", &time.tm_year, &time.tm_mon, &time.tm_mday, &time.tm_hour,
                  &time.tm_min, &seconds) != 6)
    return 0;
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  return static_cast<double>(::timegm(&time)) + seconds;
}

/// Letters that are safe in every file system, and readable in TensorBoard's list.
std::string folder_name(const CellEvidence& cell) {
  std::string name = cell.cell.arm;
  for (const auto& [key, value] : cell.cell.point) name += (name.empty() ? "" : ", ") + key + "=" + value;
  if (name.empty()) name = cell.run->run;
  for (char& c : name)
    if (c == '/' || c == '\\' || c == ':' || static_cast<unsigned char>(c) < 0x20) c = '_';
  return name.starts_with('.') ? "_" + name : name;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static const auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
      table[i] = crc;
    }
    return table;
  }();
  std::uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

std::string tensorboard_record(std::string_view payload) {
  const auto masked = [](std::string_view bytes) {
    const std::uint32_t crc = crc32c(bytes);
    return little_endian((crc >> 15 | crc << 17) + 0xa282ead8u);
  };
  const std::string length = little_endian(static_cast<std::uint64_t>(payload.size()));
  return length + masked(length) + std::string(payload) + masked(payload);
}

TensorBoardReport write_tensorboard(const Store& store, const std::filesystem::path& folder) {
  TensorBoardReport report;
  for (const auto& evidence : gather(store))
    for (const auto& cell : evidence.cells) {
      if (!cell.run) continue;
      struct Point {
        std::int64_t step;
        std::string name;
        double value, train_seconds;
      };
      std::vector<Point> points;
      for (const auto& name : store.series_names(cell.run->run))
        for (const auto& point : store.clocked_series(cell.run->run, name))
          points.push_back({point.step, name, point.value, point.train_seconds});
      // TensorBoard takes events in the order of steps; a step back would purge what stands behind.
      std::stable_sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.step < b.step; });
      const double start = epoch_of(cell.run->started_at);
      std::string file = tensorboard_record(event_head(start) + bytes_field(3, "brain.Event:2"));
      for (const auto& point : points)
        file += tensorboard_record(scalar_event(start + point.train_seconds, point.step, point.name, point.value));
      char name[64];
      std::snprintf(name, sizeof name, "events.out.tfevents.%010lld.pionbench", static_cast<long long>(start));
      const auto place = folder / (evidence.experiment.name + "." + evidence.experiment.scale) / folder_name(cell);
      make_directories(place);
      write_file_atomic(place / name, file);
      ++report.runs;
      report.points += points.size();
    }
  return report;
}

}  // namespace pionbench
