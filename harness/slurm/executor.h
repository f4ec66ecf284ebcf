#pragma once
/// Workers as tasks of Slurm job arrays.
///
///   start() ─► held ─► one array for all that were started together ─► sbatch ─► queue ─► node (node_task.h)
///                                                                         ▲ squeue, every poll_s        │ node.jsonl
///   poll()  ◄────────────────────── what both say ────────────────────────┴─────────────────────────────┘
///
/// What the node wrote decides; squeue is only asked what the node can no longer say. A job that squeue does not know
/// may still be at work (a controller that was killed forgets jobs), so it is given up only when its heartbeat stands
/// still, too; and a job that is given up finds another's name in its lease should it ever begin.
///
/// Jobs outlive this process: the destructor leaves them, and adopt() watches them again.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/schedule/executor.h"
#include "harness/slurm/batch.h"
#include "harness/slurm/node_spool.h"
#include "harness/slurm/queue.h"
#include "harness/slurm/site.h"

namespace pionbench {

class SlurmExecutor : public Executor {
 public:
  struct Programs {
    std::filesystem::path worker;  ///< as the nodes see it
    std::filesystem::path node;    ///< pionbench-node
  };
  using Log = std::function<void(const std::string&)>;

  /// `out` is on the disk that the nodes share. UserError when Slurm's commands or the programs are missing.
  SlurmExecutor(std::filesystem::path out, Programs programs, SlurmSite site, Log log);
  ~SlurmExecutor() override;

  int most_at_once() const override { return site_.max_jobs; }
  int default_cores(int) const override { return site_.cpus; }
  bool outlives_us() const override { return true; }
  bool has_begun(const std::string& run) const override;
  void wait(double seconds) override;
  Placement place(const Demand& demand) override;
  AttemptStart start(const Launch& launch) override;
  bool is_alive(const std::string& run, const AttemptStart& start) const override;
  void adopt(const std::string& run, const AttemptStart& start) override;
  std::optional<Ending> poll(const std::string& run) override;
  std::vector<std::string> take_warnings() override;
  void request_stop(const std::string& run) override;
  void kill(const std::string& run) override;

 private:
  struct Job;
  struct OpenBatch {
    Batch batch;
    JobResources resources;
    double retry_at = 0;
  };

  JobResources resources_of(const Demand& demand) const;
  void hold(Job& job);
  void attach(Job& job, const Lease& lease);
  void refresh();
  void flush(double now);
  bool submit(OpenBatch& open);
  void note_refusal(const Batch& batch, const std::string& why);
  void look_at_nodes();
  void look_at_node(Job& job);
  void take(const QueueWatch::Answer& answer);
  void reconcile(Job& job, const QueueRow* row);
  void resolve_doubt(Job& job, const QueueRow* row);
  void reconcile_listed(Job& job, const QueueRow& row);
  void reconcile_gone(Job& job, const QueueRow* row);
  void submit_again(Job& job, const std::string& why);
  void end(Job& job, Ending ending);
  void back_in_queue(const Job& job);
  void carry_out_stops();
  void drop_unwanted(double now);
  void warn(const std::string& message);

  std::filesystem::path out_;
  Programs programs_;
  SlurmSite site_;
  Log log_;
  int array_size_ = 1001;
  std::map<std::string, std::unique_ptr<Job>> jobs_;  ///< by run
  std::map<std::string, AttemptStart> locals_;        ///< workers on this machine that a local session left behind
  std::vector<OpenBatch> open_;                       ///< not handed in yet
  std::map<std::string, std::string> array_jobs_;     ///< batch -> Slurm's number
  struct Waiting {
    Lease lease;
    double since;
  };
  std::map<std::string, Waiting>
      back_in_queue_;  ///< runs that Slurm will begin again, whose next attempt is not started
  QueueWatch watch_;
  double asked_at_ = -1e9, looked_at_ = -1e9, flush_at_ = 0, held_since_ = -1;
  bool is_silent_ = false;  ///< the controller does not answer
  std::vector<std::string> warnings_;
};

}  // namespace pionbench
