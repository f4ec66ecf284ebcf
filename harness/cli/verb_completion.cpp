#include <algorithm>
#include <cstdio>

#include "core/error.h"
#include "harness/cli/completion.h"

namespace pionbench {
namespace {

// Readline splits words at = and : too, and then replaces only what follows the last of them.
constexpr const char* kBash = R"sh(_pionbench() {
  local line=${COMP_LINE:0:COMP_POINT} words=() current candidates=() prefix
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current=${words[-1]}
  mapfile -t candidates < <(PIONBENCH_NO_BUILD=1 "${words[0]}" completion candidates -- "${words[@]:1}" 2>/dev/null)
  prefix=${current%"${current##*[=:]}"}
  COMPREPLY=("${candidates[@]#"$prefix"}")
  [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o default -F _pionbench pionbench
)sh";

constexpr const char* kZsh = R"sh(#compdef pionbench
_pionbench() {
  local -a candidates
  candidates=(${(f)"$(PIONBENCH_NO_BUILD=1 ${words[1]} completion candidates -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  (( ${#candidates} )) || { _files; return }
  compadd -S '' -- ${(M)candidates:#*=}
  compadd -- ${candidates:#*=}
}
compdef _pionbench pionbench
)sh";

constexpr const char* kFish = R"sh(function __pionbench_candidates
  set -l words (commandline -opc)
  PIONBENCH_NO_BUILD=1 $words[1] completion candidates -- $words[2..-1] (commandline -ct | string collect --allow-empty) 2>/dev/null
end
complete -c pionbench -a '(__pionbench_candidates)'
)sh";

int completion(const std::string& shell, const Context& context) {
  if (shell == "candidates") {
    const auto mark = std::ranges::find(context.arguments, "--");
    const std::vector<std::string> words(mark == context.arguments.end() ? mark : mark + 1, context.arguments.end());
    for (const auto& word : completions(words, context)) std::printf("%s\n", word.c_str());
    return kDone;
  }
  for (const auto& [name, script] : {std::pair{"bash", kBash}, std::pair{"zsh", kZsh}, std::pair{"fish", kFish}})
    if (shell == name) {
      if (context.json)
        print_json({{"shell", shell}, {"script", script}});
      else
        std::fputs(script, stdout);
      return kDone;
    }
  throw UserError(unknown_name("shell", shell, {"bash", "zsh", "fish"}), kUsage);
}

struct Arguments {
  std::string shell;
  std::vector<std::string> words;
};

}  // namespace

const Verb kCompletionVerb = {
    "completion", "Print what makes a shell complete verbs, options, experiments, settings and runs",
    "source <(pionbench completion bash)\npionbench completion zsh > \"${fpath[1]}/_pionbench\"\n"
    "pionbench completion fish > ~/.config/fish/completions/pionbench.fish",
    [](CLI::App& app, const Context& context) {
      auto arguments = std::make_shared<Arguments>();
      app.add_option("SHELL", arguments->shell, "bash, zsh or fish (candidates -- WORDS: what the scripts ask)")
          ->required();
      app.add_option("WORDS", arguments->words, "candidates: the words up to the cursor");
      return Runner([&context, arguments] { return completion(arguments->shell, context); });
    }};

}  // namespace pionbench
