#pragma once
/// A folder in front of PATH with an nvidia-smi that says what a test wants. What it says is read at every call, so a
/// test can change the machine while a scheduler looks on.

#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/spec/fixture.h"

namespace pionbench {

template <typename Base>
class WithFakeNvidiaSmi : public Base {
 public:
  struct Machine {
    std::string gpus;            ///< index, uuid, name, total MiB, free MiB, MIG mode, compute mode, driver
    std::string throttle = "";   ///< uuid, 0x...
    std::string processes = "";  ///< uuid, pid, MiB
    std::string list = "";       ///< nvidia-smi -L
  };

 protected:
  void SetUp() override {
    Base::SetUp();
    if (const char* path = std::getenv("PATH")) path_ = path;
    make_directories(this->folder_ / "bin");
    script("cd " + this->folder_.string() +
           "/bin\ncase \"$1\" in\n  -L) cat list ;;\n  --query-compute-apps=*) cat processes ;;\n"
           "  --query-gpu=index*) cat gpus ;;\n  --query-gpu=uuid,clocks_throttle*) cat throttle ;;\n"
           "  *) echo 'Field is not a valid field to query.'; exit 2 ;;\nesac");
    says({""});
    ::setenv("PATH", ((this->folder_ / "bin").string() + ":" + path_).c_str(), 1);
    ::unsetenv("CUDA_VISIBLE_DEVICES");
  }
  void TearDown() override {
    ::setenv("PATH", path_.c_str(), 1);
    ::unsetenv("CUDA_VISIBLE_DEVICES");
    Base::TearDown();
  }

  void says(const Machine& machine) const {
    const auto bin = this->folder_ / "bin";
    write_file_atomic(bin / "gpus", machine.gpus + "\n");
    write_file_atomic(bin / "throttle", machine.throttle + "\n");
    write_file_atomic(bin / "processes", machine.processes + "\n");
    write_file_atomic(bin / "list", machine.list + "\n");
  }
  void script(const std::string& body) const {
    const auto file = this->folder_ / "bin/nvidia-smi";
    write_file_atomic(file, "#!/bin/sh\n" + body + "\n");
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }

 private:
  std::string path_;
};

using FakeNvidiaSmi = WithFakeNvidiaSmi<FolderTest>;

}  // namespace pionbench
