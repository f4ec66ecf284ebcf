#include "harness/schedule/user_program.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "common/hash.h"
#include "core/error.h"
#include "core/files.h"
#include "harness/spec/command_suite.h"
#include "harness/spec/placeholders.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

RunRequest request_in(const fs::path& folder) {
  const fs::path file = folder / "run.json";
  return run_request_from_json(Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false), file.string());
}

}  // namespace

UserProgram user_program(const RunRequest& request, const fs::path& folder) {
  const auto value_of = [&](const std::string& name) {
    if (name == "run_folder") return fs::absolute(folder).string();
    if (name == "python") {
      const char* python = std::getenv("PIONBENCH_PYTHON");
      return std::string(python && *python ? python : "python3");
    }
    const auto it = request.config.settings.find(name);
    if (it == request.config.settings.end()) throw UserError("run.json: settings lack \"" + name + "\"");
    return to_text(it->second);
  };
  try {
    const Json json = Json::parse(get_text(request.config.settings, "command"));
    UserProgram out;
    for (const auto& argument : json.at("argv")) out.argv.push_back(filled(argument, value_of));
    for (const auto& [name, value] : json.at("env").items()) out.env[name] = filled(value, value_of);
    out.files = json.at("files").get<std::map<std::string, std::string>>();
    out.working_dir = request.working_dir.empty() ? folder : request.working_dir;
    return out;
  } catch (const Json::exception& e) {
    throw UserError("run.json: the setting \"command\" is damaged (" + std::string(e.what()) + ")");
  }
}

void require_unchanged_files(const UserProgram& program) {
  std::vector<std::string> changed;
  for (const auto& [name, digest] : program.files) {
    std::error_code error;
    const fs::path path = program.working_dir / name;
    if (!fs::is_regular_file(path, error) || sha256(read_file(path)) != digest) changed.push_back(name);
  }
  if (!changed.empty())
    throw UserError(join(changed, ", ") + (changed.size() == 1 ? " has" : " have") + " changed in " +
                    program.working_dir.string() + " since the run was planned; run the experiment again");
}

void become_user_program(const fs::path& folder) {
  const fs::path absolute = fs::absolute(folder);
  const UserProgram program = user_program(request_in(absolute), absolute);
  require_unchanged_files(program);
  make_directories(absolute / "artifacts");
  for (const auto& [name, value] : program.env) ::setenv(name.c_str(), value.c_str(), 1);
  ::setenv("PIONBENCH_RUN_FOLDER", absolute.c_str(), 1);
  if (::chdir(program.working_dir.c_str()) != 0)
    throw UserError("cannot work in " + program.working_dir.string() + ": " + std::strerror(errno));
  std::vector<char*> argv;
  for (const auto& argument : program.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  throw UserError("cannot start \"" + program.argv[0] + "\" in " + program.working_dir.string() + ": " +
                  std::strerror(errno) + (errno == ENOENT ? "; is it on PATH?" : ""));
}

std::vector<std::string> worker_command(const fs::path& worker, const fs::path& folder) {
  if (is_command_suite(request_in(folder).config.suite)) return {node_program().string(), "command", folder.string()};
  return {worker.string(), "run", folder.string()};
}

fs::path node_program() {
  if (const char* named = std::getenv("PIONBENCH_NODE"); named && *named) return fs::absolute(named);
  std::error_code error;
  const auto self = fs::read_symlink("/proc/self/exe", error);
  return (error ? fs::current_path() : self.parent_path()) / "pionbench-node";
}

}  // namespace pionbench
