#include "harness/bench/other_work.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

namespace pionbench {
namespace {

double used_by(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

OtherWork::OtherWork() : began_(now()) {}

std::optional<OtherWork::Clock> OtherWork::now() {
  std::ifstream in("/proc/stat");
  std::string label;
  double user, nice, system, idle, wait, irq, softirq, steal;
  if (!(in >> label >> user >> nice >> system >> idle >> wait >> irq >> softirq >> steal) || label != "cpu")
    return std::nullopt;
  const double busy = user + nice + system + irq + softirq + steal;
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  return Clock{busy / ticks, (busy + idle + wait) / ticks, used_by(RUSAGE_SELF) + used_by(RUSAGE_CHILDREN)};
}

std::string OtherWork::text() const {
  const auto end = now();
  if (!began_ || !end || end->all <= began_->all) return "";
  const double others = (end->busy - began_->busy) - (end->ours - began_->ours);
  const long cores = ::sysconf(_SC_NPROCESSORS_ONLN);
  return std::to_string(std::lround(100 * std::max(0.0, others) / (end->all - began_->all))) + " % of " +
         std::to_string(cores) + (cores == 1 ? " core" : " cores");
}

}  // namespace pionbench
