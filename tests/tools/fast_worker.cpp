/// A worker without libtorch that starts in a millisecond, for tests that start thousands.
///   fast_worker run FOLDER
/// It trains nothing but keeps every promise of the protocol: events with seq over all attempts, atomic checkpoints,
/// resumed_from, exit 75 on SIGTERM. What goes wrong follows from the setting `seed` alone, so that a schedule can be
/// repeated:
///   seed % 7 == 3   out of memory unless its updates are split (accumulation > 1)
///   seed % 7 == 4   kills itself once, behind the first checkpoint
///   seed % 7 == 5   starts a helper that leaves its process group and session, and sleeps on
///   seed % 7 == 6   ignores SIGTERM
/// It also keeps a ledger of its own beside the output folder (append-only, one write a line), which no orchestrator
/// ever sees: that is what a test compares the store with. A second worker on the same cell finds the cell's lock held
/// and writes DOUBLED there.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace {

volatile std::sig_atomic_t g_stop = 0;
extern "C" void on_stop(int) {
  g_stop = 1;
}

std::string slurp(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The value behind `"key": ` in JSON whose keys are unique where it matters.
std::string value_of(const std::string& json, const std::string& key) {
  std::size_t at = json.find("\"" + key + "\":");
  if (at == std::string::npos) return "";
  at = json.find_first_not_of(" ", at + key.size() + 3);
  if (json[at] == '"') return json.substr(at + 1, json.find('"', at + 1) - at - 1);
  return json.substr(at, json.find_first_of(",}\n", at) - at);
}

void append(const std::string& path, const std::string& line) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0 || ::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::_Exit(70);
  ::close(fd);
}

class Events {
 public:
  explicit Events(const std::string& folder) : path_(folder + "/events.jsonl") {
    std::string text = slurp(path_);
    if (!text.empty() && text.back() != '\n') append(path_, "\n");  // a torn last line is ended, and does not count
    text.resize(text.rfind('\n') + 1);                              // npos + 1 is 0
    for (std::size_t at = 0; (at = text.find("\"seq\":", at)) != std::string::npos; ++at)
      next_ = std::max(next_, std::atol(text.c_str() + at + 6) + 1);
  }
  long next() const { return next_; }
  void write(const std::string& type, const std::string& fields) {
    append(path_, "{\"seq\":" + std::to_string(next_++) + ",\"t\":0.1,\"type\":\"" + type + "\"" + fields + "}\n");
  }

 private:
  std::string path_;
  long next_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string folder = argv[2];
  const std::string request = slurp(folder + "/run.json");
  const std::string run = value_of(request, "run"), cell = value_of(request, "cell");
  const long seed = std::atol(value_of(request, "seed").c_str()), kind = seed % 7;
  const int attempt = std::atoi(value_of(request, "attempt").c_str());
  const int accumulation = std::atoi(value_of(request, "accumulation").c_str());
  const std::string base = folder + "/../../..";
  const std::string ledger = base + "/ledger.txt", me = cell.substr(0, 12) + " " + run + " " + std::to_string(attempt);

  const int lock = ::open((base + "/lock-" + cell.substr(0, 12)).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) append(ledger, "DOUBLED " + me + "\n");
  append(ledger, "began " + me + "\n");
  struct sigaction action {};
  action.sa_handler = kind == 6 ? SIG_IGN : on_stop;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGUSR2, &action, nullptr);
  if (kind == 5 && ::fork() == 0) {
    ::setsid();
    if (::fork() != 0) ::_exit(0);
    ::close(lock);
    append(ledger, "helper " + std::to_string(::getpid()) + "\n");
    for (;;) ::pause();
  }

  Events events(folder);
  const std::string state = slurp(folder + "/checkpoint");  // "<step> <seq>"
  long step = 0, resumed_from = -1;
  if (attempt > 1 && std::sscanf(state.c_str(), "%ld %ld", &step, &resumed_from) != 2) step = 0, resumed_from = -1;
  std::string resumed;
  if (attempt > 1) resumed = ",\"resumed_from\":" + std::to_string(resumed_from) + ",\"step\":" + std::to_string(step);
  events.write("run_started", ",\"schema\":1,\"run\":\"" + run + "\",\"cell\":\"" + cell +
                                  "\",\"attempt\":" + std::to_string(attempt) + ",\"environment\":{}" + resumed);
  const auto checkpoint = [&] {
    const std::string temporary = folder + "/checkpoint.tmp";
    ::unlink(temporary.c_str());
    append(temporary, std::to_string(step) + " " + std::to_string(events.next()) + "\n");
    if (::rename(temporary.c_str(), (folder + "/checkpoint").c_str()) != 0) std::_Exit(70);
    events.write("checkpoint", ",\"step\":" + std::to_string(step) + ",\"path\":\"checkpoint\"");
  };

  if (kind == 3 && accumulation == 1) return 76;
  const long steps = 4 + seed % 5;
  while (step < steps) {
    if (g_stop) {
      checkpoint();
      return 75;
    }
    ::usleep(static_cast<useconds_t>(1000 + 500 * (seed % 4)));
    ++step;
    const std::string at = ",\"step\":" + std::to_string(step);
    events.write("phase", at + ",\"name\":\"train\",\"seconds\":1");
    events.write("metric", at + ",\"values\":{\"loss\":" + std::to_string(100 * seed + step) + "}");
    events.write("progress", at + ",\"steps\":" + std::to_string(steps));
    if (step % 2 == 0) checkpoint();
    if (kind == 4 && step == 3 &&
        ::open((base + "/died-" + cell.substr(0, 12)).c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0644) >= 0)
      ::kill(::getpid(), SIGKILL);
  }
  ::mkdir((folder + "/artifacts").c_str(), 0755);
  events.write("run_finished", ",\"status\":\"done\",\"step\":" + std::to_string(step));
  append(ledger, "finished " + me + "\n");
  return 0;
}
