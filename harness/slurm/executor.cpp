#include "harness/slurm/executor.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "core/error.h"
#include "core/files.h"
#include "core/run_request.h"
#include "harness/schedule/process.h"
#include "harness/schedule/run_folder.h"
#include "store/spool.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr double kGather_s = 0.25;  // runs started within such a pause go in together
constexpr double kGatherAtMost_s = 2;
constexpr double kLookAtMost_s = 2;    // between two looks at what the nodes wrote
constexpr double kSubmitAgain_s = 30;  // after "not now", and no more often than the queue is looked at
constexpr double kUnwanted_s = 60;     // a job back in the queue whose run nobody goes on with
constexpr double kUnreachable_s = 60;  // a killed job whose end nobody can confirm
constexpr int kSubmissions = 3;        // of one attempt that never began

void require_program(const fs::path& program, const char* what) {
  if (::access(program.c_str(), X_OK) != 0)
    throw UserError("no " + std::string(what) + " at " + program.string() +
                        "; build it with ci/build, or see: " + "pionbench doctor",
                    kInternal);
}

std::string memory_text(std::int64_t bytes) {
  return std::to_string((bytes + (1 << 20) - 1) >> 20) + "M";
}

/// "16G" -> MiB; Slurm's plain number is MiB.
std::int64_t mebibytes(const std::string& text) {
  const std::int64_t n = std::stoll(text);
  switch (text.back()) {
    case 'K':
      return (n + 1023) >> 10;
    case 'G':
      return n << 10;
    case 'T':
      return n << 20;
    default:
      return n;
  }
}

/// Slurm's number of a batch that is in the queue; `complaint` when squeue does not answer.
std::optional<std::string> number_in_queue(const std::string& batch, std::string& complaint) {
  const auto answer = ask_queue();
  complaint = answer.complaint;
  for (const auto& row : answer.rows)
    if (row.batch == batch) return row.job.substr(0, row.job.find('_'));
  return std::nullopt;
}

}  // namespace

struct SlurmExecutor::Job {
  std::string run;
  fs::path folder;
  int attempt = 1;
  JobResources resources;
  Lease lease;
  bool submitted = false;
  bool attached = false;  ///< the task began earlier attempts, too
  int submissions = 0;
  double since = 0;  ///< handed in or attached
  bool started = false;
  bool started_before_query = false;  ///< as the nodes' files had it before squeue was asked
  double query_began_at = 0;
  double gone_since = -1;  ///< squeue has not listed it since
  std::int64_t node_size = -1;
  std::int64_t beat = -1;
  double beat_at = 0;
  bool stop_asked = false, kill_asked = false, stop_sent = false, kill_sent = false;
  double killed_at = 0;
  std::string id;                  ///< "22_3", once it is known
  std::optional<Ending> in_doubt;  ///< it was told to end, and only Slurm knows by whom
  std::optional<Ending> ending;
};

SlurmExecutor::SlurmExecutor(fs::path out, Programs programs, SlurmSite site, Log log)
    : out_(fs::absolute(out)), programs_(std::move(programs)), site_(std::move(site)), log_(std::move(log)) {
  programs_.worker = fs::absolute(programs_.worker);
  programs_.node = fs::absolute(programs_.node);
  require_program(programs_.worker, "worker program");
  require_program(programs_.node, "node program");
  if (run_program({"sbatch", "--version"}, 30).exit_code == 127)
    throw UserError("there is no sbatch on PATH; load Slurm's module, or use --backend local", kInternal);
  array_size_ = max_array_size();
  if (site_.array_size > 0) array_size_ = std::min(array_size_, site_.array_size);
}

SlurmExecutor::~SlurmExecutor() = default;

// --- starting --------------------------------------------------------------------------------------------------------

JobResources SlurmExecutor::resources_of(const Demand& demand) const {
  JobResources out;
  const Resources& asked = demand.resources;
  out.cpus = asked.cores > 0 ? asked.cores : site_.cpus;
  out.gpus = asked.gpus;
  out.memory = asked.memory_bytes > 0 ? memory_text(asked.memory_bytes) : site_.memory;
  // What earlier runs of its kind took, with room to spare, where the site file would give less.
  const std::int64_t learned = (demand.expected_memory_bytes + demand.expected_memory_bytes / 5) >> 20;
  if (asked.memory_bytes == 0 && learned > mebibytes(site_.memory)) out.memory = std::to_string(learned) + "M";
  // A timed run has its GPU for itself anyway; without one it needs the node.
  out.exclusive = asked.exclusive && asked.gpus == 0;
  return out;
}

Placement SlurmExecutor::place(const Demand& demand) {
  return {.granted = true, .threads = resources_of(demand).cpus};  // room is Slurm's to find
}

AttemptStart SlurmExecutor::start(const Launch& launch) {
  auto job = std::make_unique<Job>();
  job->run = launch.run;
  job->folder = launch.folder;
  job->attempt = launch.attempt;
  job->resources = resources_of(launch.demand);
  if (const auto it = back_in_queue_.find(launch.run); it != back_in_queue_.end()) {
    attach(*job, it->second.lease);
    back_in_queue_.erase(it);
  } else if (const auto lease = read_lease(launch.folder);
             lease && read_node_facts(launch.folder).starts.contains(launch.attempt)) {
    attach(*job, *lease);  // Slurm went on with it while nobody was here
  } else {
    hold(*job);
  }
  AttemptStart start;
  start.attempt = launch.attempt;
  start.started_at = utc_now();
  start.threads = launch.placement.threads;
  start.accumulation = launch.accumulation;
  start.job = job_text(job->lease.batch, job->lease.task);
  launch.record(start);
  jobs_[launch.run] = std::move(job);
  return start;
}

/// Gives the job a place in the array that is being gathered for its resources.
void SlurmExecutor::hold(Job& job) {
  auto open = std::ranges::find_if(open_, [&](const OpenBatch& b) {
    return b.resources == job.resources && b.retry_at == 0 && static_cast<int>(b.batch.tasks.size()) < array_size_;
  });
  if (open == open_.end()) {
    open_.push_back({Batch{new_batch_id(), programs_.worker, site_.requeue, {}}, job.resources});
    open = open_.end() - 1;
  }
  job.lease = {open->batch.id, static_cast<int>(open->batch.tasks.size()), false};
  job.submitted = job.attached = job.started = job.started_before_query = false;
  job.gone_since = -1;
  job.id.clear();
  open->batch.tasks.push_back({job.run, job.folder});
  write_lease(job.folder, job.lease);
  const double now = steady_seconds();
  flush_at_ = now + kGather_s;
  if (held_since_ < 0) held_since_ = now;
}

void SlurmExecutor::attach(Job& job, const Lease& lease) {
  job.lease = lease;
  job.submitted = job.attached = true;
  job.submissions = 1;
  job.since = job.beat_at = steady_seconds();
}

void SlurmExecutor::flush(double now) {
  if (open_.empty() || (now < flush_at_ && now - held_since_ < kGatherAtMost_s)) return;
  held_since_ = -1;
  for (std::size_t i = 0; i < open_.size();) {
    if (now >= open_[i].retry_at && submit(open_[i]))
      open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i));
    else
      ++i;
  }
}

/// Whether the batch is Slurm's now.
bool SlurmExecutor::submit(OpenBatch& open) {
  const Batch& batch = open.batch;
  const fs::path folder = batch_folder(out_, batch.id);
  const auto options = batch_options(site_, open.resources, batch.id, folder, static_cast<int>(batch.tasks.size()));
  write_batch(folder, batch);
  write_file_atomic(folder / "job.sh", batch_script(options, site_.setup, programs_.node, folder));
  std::string complaint;
  // A controller that was too busy to answer may have taken it all the same.
  auto number = open.retry_at > 0 ? number_in_queue(batch.id, complaint) : std::nullopt;
  // Again as options: SBATCH_ variables of the caller would win over the script's.
  if (!number && complaint.empty()) try {
      number = submit_batch(options, (folder / "job.sh").string(), complaint);
    } catch (const UserError& refusal) {
      note_refusal(batch, refusal.what());
      throw;
    }
  const double now = steady_seconds();
  if (!number) {
    if (open.retry_at == 0) warn(complaint + "; " + std::to_string(batch.tasks.size()) + " runs wait for the next try");
    open.retry_at = now + std::min(kSubmitAgain_s, 3 * site_.poll_s);
    flush_at_ = std::min(open.retry_at, flush_at_ > now ? flush_at_ : open.retry_at);
    return false;
  }
  array_jobs_[batch.id] = *number;
  log_("submitted array " + *number + " (" + batch.id + ", " + std::to_string(batch.tasks.size()) + " tasks)");
  for (const auto& task : batch.tasks) {
    const auto it = jobs_.find(task.run);
    if (it == jobs_.end() || it->second->lease.batch != batch.id) continue;  // stopped meanwhile
    Job& job = *it->second;
    job.submitted = true;
    ++job.submissions;
    job.since = job.beat_at = now;
    job.id = *number + "_" + std::to_string(job.lease.task);
  }
  return true;
}

/// Nothing of a refused batch is in any queue, so its attempts must not look as if.
void SlurmExecutor::note_refusal(const Batch& batch, const std::string& why) {
  for (const auto& task : batch.tasks) {
    const auto it = jobs_.find(task.run);
    if (it == jobs_.end() || it->second->lease.batch != batch.id) continue;
    AttemptEnd end;
    end.attempt = it->second->attempt;
    end.ended_at = utc_now();
    end.outcome = "interrupted";
    end.reason = why.substr(0, why.find('\n'));
    append_attempt(task.folder, end);
  }
}

// --- adopting --------------------------------------------------------------------------------------------------------

bool SlurmExecutor::is_alive(const std::string& run, const AttemptStart& start) const {
  // In the queue, on a node, or ended unseen: poll() finds out which.
  return !start.job.empty() || Executor::is_alive(run, start);
}

void SlurmExecutor::adopt(const std::string& run, const AttemptStart& start) {
  const auto named = parse_job_text(start.job);
  if (!named) {
    locals_[run] = start;
    return;
  }
  auto job = std::make_unique<Job>();
  job->run = run;
  job->folder = out_ / "runs" / run;
  job->attempt = start.attempt;
  job->resources.cpus = start.threads;
  job->resources.memory = site_.memory;
  // The lease is newer where a batch was handed in again.
  const auto lease = read_lease(job->folder);
  attach(*job, lease ? *lease : *named);
  job->attached = false;
  job->stop_asked = job->stop_sent = lease && lease->stop;
  jobs_[run] = std::move(job);
}

bool SlurmExecutor::has_begun(const std::string& run) const {
  const auto it = jobs_.find(run);
  return it == jobs_.end() || it->second->started;
}

void SlurmExecutor::wait(double seconds) {
  // Nothing here happens at once.
  Executor::wait(std::min(seconds, site_.poll_s / 4));
}

// --- watching --------------------------------------------------------------------------------------------------------

std::optional<Ending> SlurmExecutor::poll(const std::string& run) {
  if (const auto local = locals_.find(run); local != locals_.end()) {
    if (pionbench::is_alive(local->second)) return std::nullopt;
    locals_.erase(local);
    return Ending{};
  }
  refresh();
  const auto it = jobs_.find(run);
  if (!it->second->ending) return std::nullopt;
  const Ending ending = *it->second->ending;
  jobs_.erase(it);
  return ending;
}

void SlurmExecutor::refresh() {
  const double now = steady_seconds();
  flush(now);
  if (now - looked_at_ >= std::min(kLookAtMost_s, site_.poll_s)) look_at_nodes();
  if (const auto answer = watch_.poll()) {
    take(*answer);
    carry_out_stops();
    drop_unwanted(now);
  } else if (!watch_.is_asking() && now - asked_at_ >= site_.poll_s) {
    const bool anything = std::ranges::any_of(jobs_, [](const auto& j) { return j.second->submitted; });
    if (!anything && back_in_queue_.empty()) return;
    look_at_nodes();
    for (const auto& [run, job] : jobs_) {
      job->started_before_query = job->started;
      job->query_began_at = now;
    }
    watch_.ask();
    asked_at_ = now;
  }
}

void SlurmExecutor::look_at_nodes() {
  looked_at_ = steady_seconds();
  for (const auto& [run, job] : jobs_)
    if (job->submitted && !job->ending) look_at_node(*job);
}

void SlurmExecutor::look_at_node(Job& job) {
  const auto stamp = file_stamp(job.folder / "node.jsonl");
  if (!stamp || stamp->size == job.node_size) return;
  job.node_size = stamp->size;
  const NodeFacts facts = read_node_facts(job.folder);
  const auto begun = facts.starts.find(job.attempt);
  if (begun != facts.starts.end() && !job.started) {
    job.started = true;
    job.beat_at = steady_seconds();
    const NodeStart& s = begun->second;
    // The same attempt again, now with where it is: the later line of one attempt holds.
    AttemptStart start = read_attempt_facts(job.folder).unended.value_or(AttemptStart{});
    start.attempt = job.attempt;
    start.started_at = s.started_at;
    start.host = s.host;
    start.boot_id = s.boot_id;
    start.pid = s.pid;
    start.pid_start = s.pid_start;
    start.job = job_text(s.batch, s.task);
    append_attempt(job.folder, start);
  }
  const auto ended = facts.ends.find(job.attempt);
  if (ended == facts.ends.end()) {
    // Begun again before anybody saw it wait: start() finds the later attempt and takes it up.
    if (facts.last() > job.attempt)
      end(job, {.outcome = "preempted",
                .reason = "Slurm began it again: its node failed, or was needed",
                .superseded = true});
    return;
  }
  const NodeEnd& e = ended->second;
  Ending ending;
  ending.exit_code = e.exit_code;
  ending.signal = e.signal;
  ending.memory_kill = e.memory_kill;
  ending.wall_seconds = e.wall_seconds;
  ending.reason = e.reason;
  if (e.requeue) back_in_queue(job);
  // SIGTERM is how both a preempting cluster and scancel speak.
  if (e.told == "TERM" && e.exit_code == kInterrupted && !job.stop_asked)
    job.in_doubt = ending;
  else
    end(job, ending);
}

void SlurmExecutor::take(const QueueWatch::Answer& answer) {
  if (!answer.ok) {
    if (!is_silent_) warn(answer.complaint + "; waiting for Slurm's controller, running jobs go on");
    is_silent_ = true;
    return;
  }
  if (is_silent_) warn("Slurm's controller answers again");
  is_silent_ = false;
  std::map<std::pair<std::string, int>, const QueueRow*> rows;
  for (const auto& row : answer.rows) {
    const auto [it, is_new] = rows.try_emplace({row.batch, row.task}, &row);
    if (!is_new && is_over(*it->second)) it->second = &row;
  }
  for (const auto& [run, job] : jobs_) {
    // What was handed in after squeue was asked is not in its answer.
    if (!job->submitted || job->ending || job->since > job->query_began_at) continue;
    const auto it = rows.find({job->lease.batch, job->lease.task});
    if (it != rows.end()) job->id = it->second->job;
    reconcile(*job, it == rows.end() ? nullptr : it->second);
  }
}

void SlurmExecutor::reconcile(Job& job, const QueueRow* row) {
  look_at_node(job);  // what it wrote while squeue was answering
  if (job.ending) return;
  if (job.in_doubt) return resolve_doubt(job, row);
  if (job.started) {
    const std::int64_t beat = read_heartbeat(job.folder);
    if (beat != job.beat) job.beat_at = steady_seconds();
    job.beat = beat;
  }
  if (row && !is_over(*row)) {
    job.gone_since = -1;
    reconcile_listed(job, *row);
  } else {
    reconcile_gone(job, row);
  }
}

void SlurmExecutor::resolve_doubt(Job& job, const QueueRow* row) {
  if (row && !is_over(*row) && !is_pending(*row)) return;  // completing
  if (row && row->state == "CANCELLED") return end(job, {.outcome = "interrupted", .reason = "cancelled in Slurm"});
  if (row && is_pending(*row)) back_in_queue(job);
  end(job, *job.in_doubt);
}

void SlurmExecutor::reconcile_listed(Job& job, const QueueRow& row) {
  if (is_pending(row)) {
    if (job.started_before_query) {
      if (read_event_facts(job.folder).checkpoint && !job.stop_asked)
        back_in_queue(job);
      else
        cancel_tasks(job.lease.batch, {row.job});
      end(job, {.outcome = "preempted", .reason = "Slurm put it back into the queue: its node failed, or was needed"});
    } else if (row.reason.find("launch failed") != std::string::npos) {
      cancel_tasks(job.lease.batch, {row.job});
      submit_again(job, "Slurm could not launch it (" + row.reason + ")");
    }
    return;
  }
  // A step daemon that was killed leaves the job RUNNING with nothing there.
  const double silence = steady_seconds() - job.beat_at;
  if (job.started && silence > 10 * site_.silence_s) {
    warn(job.run + " has given no sign of life for " + std::to_string(static_cast<int>(silence)) +
         " s though Slurm has it " + row.state + "; ending job " + row.job);
    cancel_tasks(job.lease.batch, {row.job});
    job.beat_at = steady_seconds();
  }
}

void SlurmExecutor::reconcile_gone(Job& job, const QueueRow* row) {
  const double now = steady_seconds();
  const std::string state = row ? row->state : "";
  if (job.gone_since < 0) job.gone_since = now;
  if (job.stop_asked && !job.started) {
    end(job, {.exit_code = kInterrupted});
    return;
  }
  if (now - job.gone_since < site_.file_delay_s) return;  // what the node wrote last may be on its way
  if (!job.started) {
    if (state == "CANCELLED") {
      end(job, {.outcome = "interrupted", .reason = "cancelled in Slurm"});
    } else if (state == "FAILED" || state == "COMPLETED" || state == "TIMEOUT" || state == "OUT_OF_MEMORY") {
      if (job.attached) return submit_again(job, "it did not get back into the queue");
      const auto log = batch_folder(out_, job.lease.batch) / ("task-" + std::to_string(job.lease.task) + ".log");
      const std::string said = last_line(tail_of(log, 0));
      // A node that fails while its job begins may leave the job FAILED and say so only here.
      if (said.find("DUE TO NODE FAILURE") != std::string::npos) return submit_again(job, "its node failed");
      end(job, {.outcome = "failed",
                .reason = "the job ended (" + state +
                          ") before the run began: " + (said.empty() ? "see " + log.string() : said)});
    } else {
      submit_again(job, state.empty() ? "Slurm has forgotten it" : "Slurm ended it (" + state + ")");
    }
    return;
  }
  // Forgotten by the controller, it may be at work all the same.
  if (!row && now - job.beat_at < site_.silence_s) return;
  if (state == "TIMEOUT" || state == "DEADLINE") {
    end(job, {.outcome = "timed out", .reason = "it was killed at Slurm's time limit"});
  } else if (state == "OUT_OF_MEMORY") {
    end(job,
        {.outcome = "out of memory", .reason = "Slurm killed it for memory (asked for " + job.resources.memory + ")"});
  } else if (state == "CANCELLED") {
    end(job, {.outcome = "interrupted", .reason = "cancelled in Slurm"});
  } else if (state == "PREEMPTED" || state == "NODE_FAIL" || state == "BOOT_FAIL") {
    end(job, {.outcome = "preempted", .reason = "Slurm ended it: " + state});
  } else {
    end(job, {.reason = state.empty() ? "Slurm does not know it and it gives no sign of life"
                                      : "its job ended (" + state + ") without a word from the node"});
  }
}

void SlurmExecutor::submit_again(Job& job, const std::string& why) {
  if (job.stop_asked) return end(job, {.exit_code = kInterrupted});
  if (job.submissions >= kSubmissions)
    return end(job, {.outcome = "failed", .reason = why + ", " + std::to_string(kSubmissions) + " times"});
  warn(job.run + ": " + why + "; handing it in again");
  hold(job);  // the new lease keeps the old job from ever beginning
}

void SlurmExecutor::end(Job& job, Ending ending) {
  job.ending = std::move(ending);
}

void SlurmExecutor::back_in_queue(const Job& job) {
  back_in_queue_[job.run] = {job.lease, steady_seconds()};
}

/// Takes out of the queue what nobody has gone on with: its cell has ended, or begins anew as another run.
void SlurmExecutor::drop_unwanted(double now) {
  for (auto it = back_in_queue_.begin(); it != back_in_queue_.end();) {
    if (now - it->second.since < kUnwanted_s || jobs_.contains(it->first)) {
      ++it;
      continue;
    }
    Lease lease = it->second.lease;
    lease.stop = true;
    write_lease(out_ / "runs" / it->first, lease);
    if (const auto array = array_jobs_.find(lease.batch); array != array_jobs_.end())
      cancel_tasks(lease.batch, {array->second + "_" + std::to_string(lease.task)});
    it = back_in_queue_.erase(it);
  }
}

std::vector<std::string> SlurmExecutor::take_warnings() {
  return std::exchange(warnings_, {});
}

void SlurmExecutor::warn(const std::string& message) {
  log_(message);
  warnings_.push_back(message);
}

// --- stopping --------------------------------------------------------------------------------------------------------

void SlurmExecutor::request_stop(const std::string& run) {
  if (const auto local = locals_.find(run); local != locals_.end()) {
    if (pionbench::is_alive(local->second)) ::kill(local->second.pid, SIGTERM);
    return;
  }
  Job& job = *jobs_.at(run);
  job.stop_asked = true;
  job.lease.stop = true;
  write_lease(job.folder, job.lease);  // reaches the node even when the controller does not answer
  if (!job.submitted) end(job, {.exit_code = kInterrupted});
  asked_at_ = -1e9;  // look at the queue at once: its answer says where the job is
}

void SlurmExecutor::kill(const std::string& run) {
  if (const auto local = locals_.find(run); local != locals_.end()) {
    if (pionbench::is_alive(local->second)) ::kill(-local->second.pid, SIGKILL);
    return;
  }
  request_stop(run);
  Job& job = *jobs_.at(run);
  if (!job.kill_asked) job.killed_at = steady_seconds();
  job.kill_asked = true;
}

/// Once after every answer of squeue, so that the numbers are those of now.
void SlurmExecutor::carry_out_stops() {
  std::map<std::string, std::vector<std::string>> to_cancel, to_signal;
  for (const auto& [run, job] : jobs_) {
    if (!job->submitted || job->ending) continue;
    if (job->kill_asked && steady_seconds() - job->killed_at > kUnreachable_s)
      end(*job, {.outcome = "interrupted", .reason = "killed on request; Slurm has not confirmed its end"});
    if (job->id.empty()) continue;
    if (job->kill_asked && !job->kill_sent) {
      to_cancel[job->lease.batch].push_back(job->id);
      job->kill_sent = true;
    } else if (job->stop_asked && !job->stop_sent) {
      (job->started ? to_signal : to_cancel)[job->lease.batch].push_back(job->id);
      job->stop_sent = true;
    }
  }
  for (const auto& [batch, ids] : to_cancel) cancel_tasks(batch, ids);
  for (const auto& [batch, ids] : to_signal) signal_tasks(batch, ids);
}

}  // namespace pionbench
