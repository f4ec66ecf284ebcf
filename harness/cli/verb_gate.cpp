#include <cstdio>
#include <memory>

#include "core/error.h"
#include "core/files.h"
#include "harness/bench/other_work.h"
#include "harness/bench/sitting.h"
#include "harness/cli/source_options.h"
#include "harness/cli/verbs.h"
#include "results/gate/gate.h"
#include "results/grid.h"
#include "store/store.h"

namespace pionbench {
namespace {

struct Options {
  std::string head, baseline;
  std::string revision, baseline_revision;
  int rounds = 9;
  bool is_accepted = false;
  bool is_recorded = true;
  std::string junit, markdown;
  std::vector<std::string> better, floors;
  gate::Options rules;
  SourceOptions source;
};

class GateCall {
 public:
  GateCall(const Context& context, const Options& options) : context_(context), options_(options) {
    if (!options.head.empty()) head_ = open_source(options.head, options.source);
    if (!options.baseline.empty()) baseline_ = open_source(options.baseline, options.source);
    if (baseline_ && !head_)
      throw UserError("--baseline needs --head: what is measured again is measured on both sides", kUsage);
  }

  int run() {
    std::error_code error;
    if (!head_ && !std::filesystem::exists(context_.out / "benchmarks", error)) throw nothing_to_judge();
    const OutLock lock(context_.out);
    Store store(context_.out, Store::Mode::kReadWrite);
    store.ingest();
    auto history = store.sittings();
    Sitting head = head_ ? measured_head() : taken_head(history);
    std::erase_if(history, [&](const Sitting& s) {
      return s.sitting == head.sitting || s.fingerprint != head.fingerprint || s.recorded_at > head.recorded_at;
    });
    say("judging " + head.revision + " against " + counted(history.size(), "sitting") + " on machine " +
        head.fingerprint);
    const auto result = gate::run(history, head, remeasure(), options_.rules);
    if (options_.is_recorded) record(store, head, result);
    write_files(result, head);
    return tell(result, head);
  }

 private:
  void say(const std::string& text) const {
    if (!context_.quiet) std::fprintf(stderr, "%s\n", text.c_str());
  }

  Sitting measured_head() {
    say("measuring " + options_.head);
    const OtherWork others;
    auto file = measure(*head_, options_.rounds);
    first_head_ = file;
    return make_sitting(std::move(file), {context_.home, options_.revision, "", head_->is_live(), others.text(),
                                          facts_of(options_.source)});
  }

  static Sitting taken_head(const std::vector<Sitting>& history) {
    if (history.empty()) throw nothing_to_judge();
    return history.back();
  }

  static UserError nothing_to_judge() {
    return UserError("nothing to judge: measure first (pionbench bench), or name what to measure with --head", kUsage);
  }

  gate::Remeasure remeasure() {
    if (!baseline_) return nullptr;
    return [this](const std::vector<std::string>& series) -> std::map<std::string, gate::Samples> {
      const bool repeats = head_->is_repeatable() && baseline_->is_repeatable();
      if (looked_ && !repeats) return {};
      looked_ = true;
      say("measuring " + counted(series.size(), "suspect") + " again, head and baseline in turn");
      const bool is_stored = !head_->is_live();
      Interleaved both;
      if (is_stored)
        both = {first_head_, measure(*baseline_, options_.rounds, series)};
      else
        both = measure_interleaved(*head_, *baseline_, options_.rounds, series);
      std::map<std::string, gate::Samples> out;
      for (const auto& name : series) {
        gate::Samples samples{samples_of(both.a, name), samples_of(both.b, name)};
        if (!samples.head.empty() && !samples.baseline.empty()) out[name] = std::move(samples);
      }
      return out;
    };
  }

  static std::vector<double> samples_of(const BenchmarkFile& file, const std::string& name) {
    for (const auto& series : file.series)
      if (series.name == name) return series.samples;
    return {};
  }

  void record(Store& store, Sitting head, const gate::Result& result) const {
    for (auto& series : head.series)
      for (const auto& judged : result.series) {
        if (judged.name != series.name) continue;
        const bool is_change = judged.verdict == gate::Verdict::kRegressed || judged.verdict == gate::Verdict::kUnknown;
        // An improvement is the level from now on; so is a change that is meant.
        if (judged.verdict == gate::Verdict::kImproved || (is_change && options_.is_accepted))
          series.standing = "accepted";
        else
          series.standing = is_change ? "changed" : "good";
        series.verdict = to_string(judged.verdict);
        series.why = gate::reason(judged);
      }
    store.record_sitting(head);
  }

  void write_files(const gate::Result& result, const Sitting& head) const {
    const std::string baseline =
        options_.baseline_revision.empty() && baseline_ ? options_.baseline : options_.baseline_revision;
    if (!options_.junit.empty()) write_file_atomic(options_.junit, gate::to_junit(result));
    if (!options_.markdown.empty())
      write_file_atomic(options_.markdown, gate::to_markdown(result, head.revision, baseline));
  }

  int tell(const gate::Result& result, const Sitting& head) const {
    if (context_.json) {
      Json document = gate::to_json(result);
      document["revision"] = head.revision;
      document["fingerprint"] = head.fingerprint;
      document["accepted"] = options_.is_accepted;
      print_json(std::move(document));
    } else {
      std::fputs(gate::to_plain(result).c_str(), stdout);
    }
    return options_.is_accepted ? kDone : gate::exit_code(result.verdict);
  }

  const Context& context_;
  const Options& options_;
  std::unique_ptr<Source> head_, baseline_;
  BenchmarkFile first_head_;
  bool looked_ = false;
};

int run_gate(const Context& context, Options& options) {
  for (const auto& list : {options.better, options.floors})
    for (const auto& text : list) options.rules.kinds.push_back(parse_kind_override(text));
  return GateCall(context, options).run();
}

}  // namespace

const Verb kGateVerb = {
    "gate", "Say whether this revision is slower, less accurate or otherwise changed: exit 0 no, 1 yes, 3 undecided",
    "pionbench gate --head build/head/bin/optim_bench --baseline build/base/bin/optim_bench --out history\n"
    "pionbench gate --head 'run:pionbench run gate.yaml --out {out}' "
    "--baseline 'run:PIONBENCH_WORKER=base/pionbench-worker pionbench run gate.yaml --out {out}'\n"
    "pionbench gate            # the newest sitting against those before it",
    [](CLI::App& app, const Context& context) {
      auto options = std::make_shared<Options>();
      app.add_option("--head", options->head, "what to judge, as for bench; otherwise the newest sitting in --out");
      app.add_option("--baseline", options->baseline,
                     "the same of the revision before: suspects are measured again on both");
      app.add_option("--revision", options->revision, "name of the head; otherwise the git commit here");
      app.add_option("--baseline-revision", options->baseline_revision, "name of the baseline, for the summary");
      app.add_option("--rounds", options->rounds, "processes per look")
          ->check(CLI::Range(1, 1000))
          ->capture_default_str();
      app.add_option("--looks", options->rules.looks, "times that an undecided suspect is measured again")
          ->check(CLI::Range(1, 20))
          ->capture_default_str();
      add_source_options(app, options->source);
      app.add_option("--alpha", options->rules.alpha, "level of the deciding test")
          ->check(CLI::Range(1e-6, 0.5))
          ->capture_default_str();
      app.add_option("--better", options->better, "PATTERN=lower|higher|neither: which way is better");
      app.add_option("--floor", options->floors, "PATTERN=0.05 or PATTERN=0.01abs: the least change that matters");
      app.add_option("--advise", options->rules.advise, "PATTERN of series that are reported but never block");
      app.add_option("--junit", options->junit, "write a JUnit report here");
      app.add_option("--markdown", options->markdown, "write a summary for a pull request here");
      app.add_flag("--accept", options->is_accepted,
                   "the changes found are meant: exit 0, and history starts anew there");
      app.add_flag("!--no-record", options->is_recorded, "judge, but add nothing to the history (pull requests)");
      return Runner([&context, options] { return run_gate(context, *options); });
    }};

}  // namespace pionbench
