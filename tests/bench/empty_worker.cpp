// A worker that does nothing and says so: what is left of a run is the orchestrator's. With
// PIONBENCH_EMPTY_WORKER=small it does a trivially short job instead: it adds some numbers and reports a metric at ten
// steps. Usage: empty_worker run FOLDER

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

int main(int argc, char** argv) {
  if (argc != 3 || std::strcmp(argv[1], "run") != 0) return 2;
  const std::string folder = argv[2];
  std::FILE* events = std::fopen((folder + "/events.jsonl").c_str(), "ae");
  if (!events) return 70;
  const char* kind = std::getenv("PIONBENCH_EMPTY_WORKER");
  int seq = 0;
  std::fprintf(events,
               "{\"seq\":%d,\"t\":0,\"type\":\"run_started\",\"schema\":1,\"run\":\"%s\",\"cell\":\"\",\"attempt\":1,"
               "\"environment\":{}}\n",
               seq++, folder.substr(folder.rfind('/') + 1).c_str());
  if (kind && std::strcmp(kind, "small") == 0) {
    double sum = 0;
    for (int step = 1; step <= 10; ++step) {
      for (int i = 1; i < 10000; ++i) sum += 1.0 / (step * i);
      std::fprintf(events, "{\"seq\":%d,\"t\":0,\"type\":\"metric\",\"step\":%d,\"values\":{\"sum\":%.17g}}\n", seq++,
                   step, sum);
    }
  }
  std::fprintf(events, "{\"seq\":%d,\"t\":0,\"type\":\"run_finished\",\"status\":\"done\",\"step\":0}\n", seq);
  return std::fclose(events) == 0 ? 0 : 70;
}
