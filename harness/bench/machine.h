#pragma once
/// Which machine and which source a measurement belongs to.

#include <filesystem>
#include <map>
#include <string>

namespace pionbench {

/// "cpu", "cores", "gpu" (where there is one), "compiler": what makes times comparable; "host", "kernel": for people.
std::map<std::string, std::string> machine_facts();

/// Of cpu, cores, gpu, compiler, build, threads and machine: 12 hexadecimal digits. Host names and kernels are left
/// out, so that equal machines of a pool share a history.
std::string fingerprint_of(const std::map<std::string, std::string>& facts);

/// "3f2a90c1d2e4", with "-dirty" when the tree has changes; "unknown" outside a git tree.
std::string revision_of(const std::filesystem::path& folder);

/// For the shell, in single quotes.
std::string shell_quoted(const std::string& text);

}  // namespace pionbench
