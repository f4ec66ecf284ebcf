#include "harness/slurm/queue.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/error.h"

namespace pionbench {
namespace {

constexpr std::string_view kCommentPrefix = "pionbench:";
constexpr std::string_view kNamePrefix = "pionbench-";
// sbatch may wait for a busy controller; squeue and scancel answer in a fraction of a second or not at all.
constexpr double kSubmitLimit = 90;
constexpr double kAnswerLimit = 30;
// A command line holds some thousands of job numbers; so many at once keep scancel short.
constexpr std::size_t kJobsPerCommand = 200;

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> out;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find('|', begin), line.size());
    out.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::optional<QueueRow> parse_row(std::string_view line) {
  const auto fields = fields_of(line);
  if (fields.size() != 8) return std::nullopt;
  QueueRow row;
  // A site's plugin may replace comments; the name is ours alone.
  if (fields[7].starts_with(kCommentPrefix))
    row.batch = fields[7].substr(kCommentPrefix.size());
  else if (fields[6].starts_with(kNamePrefix))
    row.batch = fields[6].substr(kNamePrefix.size());
  else
    return std::nullopt;
  const auto [end, error] = std::from_chars(fields[1].data(), fields[1].data() + fields[1].size(), row.task);
  if (error != std::errc() || end != fields[1].data() + fields[1].size()) return std::nullopt;
  row.job = std::string(fields[0]) + "_" + std::string(fields[1]);
  row.state = fields[2];
  row.start = fields[3];
  row.nodes = fields[4];
  row.reason = fields[5];
  return row;
}

void cancel(std::vector<std::string> command, const std::string& batch, const std::vector<std::string>& jobs) {
  command.push_back("--name=" + job_name(batch));
  for (std::size_t i = 0; i < jobs.size(); i += kJobsPerCommand) {
    auto some = command;
    some.insert(some.end(), jobs.begin() + static_cast<std::ptrdiff_t>(i),
                jobs.begin() + static_cast<std::ptrdiff_t>(std::min(i + kJobsPerCommand, jobs.size())));
    // It may have ended by itself; whoever asked looks at the queue again.
    run_program(some, kAnswerLimit);
  }
}

/// sbatch's words for "not now".
bool may_pass(const SubprocessResult& result) {
  constexpr std::array kTransient = {"Unable to contact", "SubmitJob",      "job submit limit", "temporarily",
                                     "timed out",         "try again",      "Zero Bytes",       "backup controller",
                                     "Connection ",       "connect failure"};
  return result.exit_code == 124 || std::ranges::any_of(kTransient, [&](const char* words) {
           return result.errors.find(words) != std::string::npos;
         });
}

}  // namespace

bool is_pending(const QueueRow& row) {
  return row.state == "PENDING" || row.state == "REQUEUED" || row.state == "REQUEUE_HOLD" ||
         row.state == "SPECIAL_EXIT" || row.state == "REQUEUE_FED";
}

bool is_over(const QueueRow& row) {
  constexpr std::array kOver = {"COMPLETED", "FAILED",   "CANCELLED",     "TIMEOUT",   "NODE_FAIL",
                                "PREEMPTED", "DEADLINE", "OUT_OF_MEMORY", "BOOT_FAIL", "REVOKED"};
  return std::ranges::find(kOver, row.state) != kOver.end();
}

std::vector<std::string> queue_query() {
  // -r: one line a task. -t all: those that ended lately, too, which say why. The comment may hold anything, but not
  // ours a '|'.
  return {"squeue", "--me", "-h", "-r", "-t", "all", "-o", "%F|%K|%T|%S|%N|%r|%j|%k"};
}

std::vector<QueueRow> parse_queue(std::string_view text) {
  std::vector<QueueRow> rows;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (auto row = parse_row(text.substr(begin, end - begin))) rows.push_back(std::move(*row));
    begin = end + 1;
  }
  return rows;
}

std::string job_name(const std::string& batch) {
  return std::string(kNamePrefix) + batch;
}
std::string job_comment(const std::string& batch) {
  return std::string(kCommentPrefix) + batch;
}

void QueueWatch::ask() {
  if (!command_) command_ = std::make_unique<Subprocess>(queue_query());
}

std::optional<QueueWatch::Answer> QueueWatch::poll() {
  if (!command_) return std::nullopt;
  const auto result = command_->poll(kAnswerLimit);
  if (!result) return std::nullopt;
  command_.reset();
  Answer answer;
  answer.ok = result->ok();
  if (answer.ok)
    answer.rows = parse_queue(result->output);
  else
    answer.complaint = "squeue: " + result->complaint();
  return answer;
}

QueueWatch::Answer ask_queue() {
  const auto result = run_program(queue_query(), kAnswerLimit);
  QueueWatch::Answer answer;
  answer.ok = result.ok();
  if (answer.ok)
    answer.rows = parse_queue(result.output);
  else
    answer.complaint = "squeue: " + result.complaint();
  return answer;
}

std::optional<std::string> submit_batch(const std::vector<std::string>& options, const std::string& script,
                                        std::string& complaint) {
  std::vector<std::string> command = {"sbatch", "--parsable"};
  command.insert(command.end(), options.begin(), options.end());
  command.push_back(script);
  auto without = slurm_job_variables();
  without.emplace_back("CUDA_VISIBLE_DEVICES=");  // Slurm's to give
  const auto result = run_program(command, kSubmitLimit, without);
  if (result.ok()) {
    std::string job = result.output.substr(0, result.output.find_first_of(";\n"));  // "22" or "22;cluster"
    if (!job.empty() && job.find_first_not_of("0123456789") == std::string::npos) return job;
    throw UserError("sbatch answered \"" + job + "\" where a job number was expected", kInternal);
  }
  complaint = "sbatch: " + result.complaint();
  if (result.exit_code == 127)
    throw UserError("there is no sbatch on PATH; load Slurm's module, or use --backend local", kInternal);
  if (may_pass(result)) return std::nullopt;
  throw UserError("Slurm refuses the job: " + complaint + "\n  it was asked with: " + join(options, " ") +
                  "\n  mend the site file (partition, account, memory, gres, options) and run again");
}

void signal_tasks(const std::string& batch, const std::vector<std::string>& jobs) {
  // -b: the batch script alone, which our program has taken the place of; without it Slurm signals job steps only.
  cancel({"scancel", "-b", "--signal=USR2"}, batch, jobs);
}

void cancel_tasks(const std::string& batch, const std::vector<std::string>& jobs) {
  cancel({"scancel"}, batch, jobs);
}

int max_array_size() {
  const auto result = run_program({"scontrol", "show", "config"}, kAnswerLimit);
  constexpr std::string_view kKey = "MaxArraySize";
  const std::size_t at = result.output.find(kKey);
  int size = 1001;
  if (at == std::string::npos) return size;
  const std::size_t digits = result.output.find_first_of("0123456789", at);
  if (digits != std::string::npos)
    std::from_chars(result.output.data() + digits, result.output.data() + result.output.size(), size);
  return size;
}

std::vector<std::string> slurm_job_variables() {
  std::vector<std::string> out;
  for (const char* name :
       {"ARRAY",  "CLUSTER", "CONFLICT", "CPU",      "CPUS",    "DISTRIBUTION", "EXPORT", "GPU",    "GRES",
        "GTIDS",  "HINT",    "JOB",      "LAUNCH",   "LOCALID", "MEM",          "NNODES", "NODE",   "NODEID",
        "NPROCS", "NTASKS",  "OVER",     "PRIO",     "PROCID",  "RESTART",      "STEP",   "SUBMIT", "SCRIPT",
        "TASK",   "TASKS",   "THREADS",  "TOPOLOGY", "TRES",    "UMASK",        "WORKING"})
    out.push_back(std::string("SLURM_") + name);
  return out;
}

}  // namespace pionbench
