#include "experiments/worker/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>

#include "core/error.h"

namespace pionbench {
namespace {

constexpr const char* kFile = "checkpoint.pt";
constexpr std::int64_t kSchema = 1;
constexpr double kIntervalSeconds = 60;
constexpr double kMostShare = 0.02;  // of the run's time that saving may take

double interval_from_environment() {
  const char* text = std::getenv("PIONBENCH_CHECKPOINT_SECONDS");
  if (!text || !*text) return kIntervalSeconds;
  char* end = nullptr;
  const double seconds = std::strtod(text, &end);
  if (*end || !(seconds >= 0))
    throw UserError(std::string("PIONBENCH_CHECKPOINT_SECONDS: got \"") + text + "\", allowed: seconds from 0 up");
  return seconds;
}

void write_text(torch::serialize::OutputArchive& archive, const char* key, const std::string& text) {
  archive.write(key, c10::IValue(text));
}

std::string read_text(torch::serialize::InputArchive& archive, const char* key) {
  c10::IValue value;
  archive.read(key, value);
  return value.toStringRef();
}

/// Writes to a new file. torch's own file writer ends the program on a full disk: it throws once more while the first
/// exception passes. So it is told that all is well, and the error is ours to raise.
void write_archive(torch::serialize::OutputArchive& archive, const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  int error = fd < 0 ? errno : 0;
  archive.save_to([&](const void* data, std::size_t size) {
    const char* at = static_cast<const char*>(data);
    for (std::size_t left = size; left > 0 && !error;) {
      const ssize_t n = ::write(fd, at, left);
      if (n < 0 && errno != EINTR) error = errno;
      if (n > 0) {
        at += n;
        left -= static_cast<std::size_t>(n);
      }
    }
    return size;
  });
  if (fd >= 0) ::close(fd);
  if (!error) return;
  ::unlink(path.c_str());
  throw UserError("cannot write " + path.string() + ": " + std::strerror(error), kInternal);
}

/// torch's own generators. Suites draw from generators of their own; this is for what does not.
std::vector<at::Generator> generators() {
  std::vector<at::Generator> out = {at::globalContext().defaultGenerator(torch::kCPU)};
  const int devices = torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
  for (int i = 0; i < devices; ++i)
    out.push_back(at::globalContext().defaultGenerator(torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(i))));
  return out;
}

}  // namespace

Checkpoint::Checkpoint(const RunRequest& request, std::filesystem::path folder, EventWriter& events)
    : file_(std::move(folder) / kFile),
      cell_(request.cell),
      events_(events),
      interval_(interval_from_environment()),
      saved_at_(steady_seconds()) {
  std::error_code error;
  if (request.attempt <= 1 || !std::filesystem::exists(file_, error) || open()) return;
  found_.reset();
  step_ = 0;
  resumed_from_ = -1;
}

bool Checkpoint::open() {
  try {
    found_.emplace();
    found_->load_from(file_.string(), torch::kCPU);
    if (read_value(*found_, "schema") != kSchema || read_text(*found_, "cell") != cell_) {
      std::cerr << file_.string() << " belongs to another cell or version; starting over\n";
      return false;
    }
    step_ = read_value(*found_, "step");
    resumed_from_ = read_value(*found_, "seq");
    std::map<std::string, double> clocks;
    const Json json = Json::parse(read_text(*found_, "clocks"));
    for (const auto& [name, seconds] : json.items()) clocks[name] = seconds.get<double>();
    events_.restore_clocks(clocks);
    return true;
  } catch (const std::exception& e) {
    std::cerr << file_.string() << " cannot be read (" << std::string_view(e.what()).substr(0, 200)
              << "); starting over\n";
    return false;
  }
}

std::int64_t Checkpoint::restore(const Read& read) {
  if (!found_) return 0;
  try {
    torch::serialize::InputArchive state;
    found_->read("state", state);
    read(state);
    auto ours = generators();
    for (std::size_t i = 0; i < ours.size(); ++i) {
      torch::Tensor random;
      if (found_->try_read("random" + std::to_string(i), random)) ours[i].set_state(random);
    }
  } catch (const c10::Error& e) {
    throw UserError(
        file_.string() + " does not fit this program: " + e.what_without_backtrace() + "; remove it to start over",
        kInternal);
  }
  found_.reset();
  return step_;
}

bool Checkpoint::is_due() const {
  return steady_seconds() - saved_at_ >= (interval_ > 0 ? std::max(interval_, last_cost_ / kMostShare) : 0);
}

void Checkpoint::save(std::int64_t step, const Write& write) {
  const double start = steady_seconds();
  torch::serialize::OutputArchive archive;
  {
    const torch::NoGradGuard no_grad;
    write_value(archive, "schema", kSchema);
    write_text(archive, "cell", cell_);
    write_value(archive, "step", step);
    write_value(archive, "seq", events_.next_seq());
    Json clocks = Json::object();
    for (const auto& [name, seconds] : events_.clocks()) clocks[name] = seconds;
    write_text(archive, "clocks", clocks.dump());
    const auto ours = generators();
    for (std::size_t i = 0; i < ours.size(); ++i) archive.write("random" + std::to_string(i), ours[i].get_state());
    torch::serialize::OutputArchive state(archive.compilation_unit());
    write(state);
    archive.write("state", state);
  }
  events_.flush();
  auto temporary = file_;
  temporary += ".tmp";
  write_archive(archive, temporary);
  publish_file(temporary, file_);
  last_cost_ = steady_seconds() - start;
  events_.checkpoint(step, kFile);
  events_.phase(step, "save", last_cost_);
  saved_at_ = steady_seconds();
}

// Names have dots, and an archive's keys must be identifiers: tensors go by number.
void write_parameters(torch::serialize::OutputArchive& archive, const std::vector<optim::Parameter>& parameters) {
  torch::serialize::OutputArchive inner(archive.compilation_unit());
  std::string names;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    names += parameters[i].name + "\n";
    inner.write("p" + std::to_string(i), parameters[i].tensor.detach());
  }
  write_text(inner, "names", names);
  archive.write("parameters", inner);
}

void read_parameters(torch::serialize::InputArchive& archive, const std::vector<optim::Parameter>& parameters) {
  const torch::NoGradGuard no_grad;
  torch::serialize::InputArchive inner;
  archive.read("parameters", inner);
  std::string names;
  for (const auto& p : parameters) names += p.name + "\n";
  if (read_text(inner, "names") != names)
    throw UserError("the checkpoint is of another model; remove it to start over", kInternal);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    torch::Tensor stored;
    inner.read("p" + std::to_string(i), stored);
    auto target = parameters[i].tensor.detach();
    if (stored.sizes() != target.sizes() || stored.scalar_type() != target.scalar_type())
      throw UserError("the checkpoint's " + parameters[i].name +
                          " has another shape or type than the model's; remove "
                          "it to start over",
                      kInternal);
    target.copy_(stored);
  }
}

void write_value(torch::serialize::OutputArchive& archive, const char* key, std::int64_t value) {
  archive.write(key, c10::IValue(value));
}

std::int64_t read_value(torch::serialize::InputArchive& archive, const char* key) {
  c10::IValue value;
  archive.read(key, value);
  return value.toInt();
}

void write_random(torch::serialize::OutputArchive& archive, const char* key, const std::mt19937_64& random) {
  std::ostringstream text;
  text << random;
  write_text(archive, key, text.str());
}

void read_random(torch::serialize::InputArchive& archive, const char* key, std::mt19937_64& random) {
  std::istringstream text(read_text(archive, key));
  text >> random;
}

}  // namespace pionbench
