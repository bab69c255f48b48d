// docs/man/failoverctl.1 and the shells' completions are failoverctl's tables of commands and
// options, and say nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ctl/command_table.h"
#include "tests/unit/admin/run_program.h"

namespace failoverd::ctl {
namespace {

const std::string kSource = FAILOVERD_SOURCE_DIR;
const std::string kMan = kSource + "/docs/man/failoverctl.1";
const std::string kBash = kSource + "/config/completions/failoverctl.bash";
const std::string kZsh = kSource + "/config/completions/_failoverctl";

std::string contents(const std::string& file) {
  std::stringstream text;
  text << std::ifstream{file}.rdbuf();
  return text.str();
}

void expect_is(const std::string& file, const std::string& text) {
  if (std::getenv("REWRITE") != nullptr) std::ofstream{file} << text;
  EXPECT_EQ(contents(file), text) << "REWRITE=1 build/bin/unit_admin writes it anew";
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

bool goes_with(const OptionInfo& option, const CommandInfo& command) {
  return option.goes_with == 0 || (option.goes_with & command.options) != 0;
}

// --- man -----------------------------------------------------------------------------------------

constexpr std::string_view kManHead = R"(.\" Written from the tables in daemon/ctl/command_table.cc:
.\" REWRITE=1 build/bin/unit_admin writes it anew.
.TH FAILOVERCTL 1 "" failoverd "User Commands"
.SH NAME
failoverctl \- shows and steers failoverd
.SH SYNOPSIS
.B failoverctl
.RB [ \-\-server
.IR URL [, URL ...]]
.RB [ \-\-json ]
.I COMMAND
.RI [ ARGUMENTS ]
.RI [ OPTIONS ]
.SH DESCRIPTION
failoverctl asks a failoverd daemon over HTTP, and prints what it says in the tables and words of
the nameserver's client. Options may stand anywhere on the line. With several servers the active
daemon is found; a standby that is asked names it.
)";

constexpr std::string_view kManBehaviour = R"(.SH PLANS AND QUESTIONS
Commands that change leaders, or copy or drop replicas, print on standard error what they will do, a
line for each partition, before they do it. On a terminal they ask whether to go on, unless
.B \-\-yes
is given. Where standard input is no terminal they ask nothing: scripts that were written for the
nameserver's client go on as they are.
.B \-\-plan
prints the same on standard output, and does nothing.
.SH WAITING
A command returns once its ops are begun.
.B \-\-wait
follows them: a line for each change, or on a terminal in place, with a bar for each whose progress
is known. What follows one of them for the same replica is waited for, too. The last line counts
those that ended well and those that failed. Ctrl\-C ends failoverctl and leaves the ops alone.
With
.B \-\-json
one object is printed at the end; its key
.I ended
has the ops as showopstatus lists them.
.SH EXIT STATUS
.TP
.B 0
Done. With
.BR \-\-wait :
all ops ended kDone.
.TP
.B 1
Refused or failed; one line on standard error says why. Also when the question whether to go on was
not answered with yes.
.TP
.B 2
A mistake in the command line.
.SH ENVIRONMENT
.TP
.B FAILOVERD_SERVER
The daemons, where
.B \-\-server
is not given.
.TP
.B FAILOVERD_TOKEN_FILE
The token's file, where
.B \-\-token\-file
is not given.
.SH SEE ALSO
docs/operating.md walks through the tasks of operators; docs/http.md has the same commands over
HTTP.
)";

// Text that man prints as it is.
std::string in_man(const std::string& text) {
  std::string out = replaced(replaced(text, "\\", "\\e"), "-", "\\-");
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string man_of(const CommandInfo& command) {
  std::string out = ".TP\n.B " + in_man(shown(command)) + "\n" + in_man(command.meaning) + "\n";
  std::string its;
  for (const OptionInfo& option : options()) {
    if (option.goes_with == 0 || !goes_with(option, command)) continue;
    its += (its.empty() ? "" : ", ") + in_man(shown(option));
  }
  if (!its.empty()) out += ".br\nOptions: " + its + ".\n";
  return out + ".br\nExample:\n.B " + in_man(command.example) + "\n";
}

std::string man_page() {
  std::string out{kManHead};
  for (const bool changes : {false, true}) {
    out += changes ? ".SH COMMANDS THAT CHANGE SOMETHING\n" : ".SH COMMANDS THAT SHOW\n";
    for (const CommandInfo& command : commands()) {
      if ((command.failure != nullptr) == changes) out += man_of(command);
    }
  }
  out += ".SH OPTIONS\n";
  for (const OptionInfo& option : options()) {
    out += ".TP\n.B " + in_man(shown(option)) + "\n" + in_man(option.meaning) + "\n";
  }
  return out.append(kManBehaviour);
}

TEST(CtlManual, ManPageIsWhatTheTablesSay) { expect_is(kMan, man_page()); }

// --- Completion ----------------------------------------------------------------------------------

std::string names(const std::vector<std::string>& all, const char* between) {
  std::string out;
  for (const std::string& name : all) out += (out.empty() ? "" : between) + name;
  return out;
}

std::vector<std::string> command_names() {
  std::vector<std::string> all;
  for (const CommandInfo& command : commands()) all.emplace_back(command.name);
  return all;
}

std::vector<std::string> options_of(const CommandInfo* command) {
  std::vector<std::string> all;
  for (const OptionInfo& option : options()) {
    if (command == nullptr || goes_with(option, *command)) all.emplace_back(option.name);
  }
  return all;
}

bool is_file(std::string_view value) { return value == "FILE" || value == "PATH"; }

bool takes_file(const CommandInfo& command) {
  return std::string_view{command.arguments}.find("FILE") != std::string_view::npos;
}

std::string bash_completion() {
  std::vector<std::string> valued;
  std::vector<std::string> files;
  std::vector<std::string> others;
  for (const OptionInfo& option : options()) {
    if (option.value == nullptr) continue;
    valued.emplace_back(option.name);
    (is_file(option.value) ? files : others).emplace_back(option.name);
  }
  std::string out =
      R"(# Bash completion of failoverctl. Written from the tables in daemon/ctl/command_table.cc:
# REWRITE=1 build/bin/unit_admin writes it anew.
# shellcheck shell=bash
_failoverctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command='' words='' options='' i
  local -a files=()
  case $before in
    )" +
      names(files, " | ") + R"()
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
)";
  out += "    " + names(others, " | ") + ") return ;;\n  esac\n";
  out += "  for ((i = 1; i < COMP_CWORD; ++i)); do\n    case ${COMP_WORDS[i]} in\n      " +
         names(valued, " | ") + R"() ((++i)) ;;
      -*) ;;
      *)
        command=${COMP_WORDS[i]}
        break
        ;;
    esac
  done
  case $command in
)";
  out += "    '')\n      words='" + names(command_names(), " ") + "'\n      options='" +
         names(options_of(nullptr), " ") + "'\n      ;;\n";
  for (const CommandInfo& command : commands()) {
    out += "    " + std::string{command.name} + ")\n";
    if (*command.words != '\0') out += "      words='" + std::string{command.words} + "'\n";
    if (takes_file(command)) out += "      files=(-f)\n";
    out += "      options='" + names(options_of(&command), " ") + "'\n      ;;\n";
  }
  return out + R"(  esac
  if [[ $word == -* ]]; then words=$options files=(); fi
  mapfile -t COMPREPLY < <(compgen "${files[@]}" -W "$words" -- "$word")
}
complete -F _failoverctl failoverctl
)";
}

// The first sentence, for a list that has to be narrow, as it stands between '...' with colons.
std::string in_zsh(const std::string& text) {
  std::string first = text.substr(0, text.find(". "));
  if (first.ends_with('.')) first.pop_back();
  first = replaced(replaced(first, "'", "'\\''"), ":", "\\:");
  return replaced(replaced(first, "[", "\\["), "]", "\\]");
}

std::string zsh_of(const OptionInfo& option) {
  std::string out = "'" + std::string{option.name} + "[" + in_zsh(option.meaning) + "]";
  if (option.value == nullptr) return out + "'";
  out += ":" + in_zsh(option.value) + ":";
  return out + (is_file(option.value) ? "_files'" : "'");
}

std::string zsh_completion() {
  std::string out = R"(#compdef failoverctl
# zsh completion of failoverctl. Written from the tables in daemon/ctl/command_table.cc:
# REWRITE=1 build/bin/unit_admin writes it anew.
_failoverctl() {
  local curcontext=$curcontext state line
  local -a commands everywhere its
  commands=(
)";
  for (const CommandInfo& command : commands()) {
    out += "    '" + std::string{command.name} + ":" + in_zsh(command.meaning) + "'\n";
  }
  out += "  )\n  everywhere=(\n";
  for (const OptionInfo& option : options()) {
    if (option.goes_with == 0) out += "    " + zsh_of(option) + "\n";
  }
  out += R"(  )
  _arguments -C $everywhere '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $words[1] in
)";
  for (const CommandInfo& command : commands()) {
    out += "        " + std::string{command.name} + ")\n          its=(\n";
    for (const OptionInfo& option : options()) {
      if (option.goes_with != 0 && goes_with(option, command)) {
        out += "            " + zsh_of(option) + "\n";
      }
    }
    if (*command.words != '\0') {
      out += "            '*:argument:(" + std::string{command.words} + ")'\n";
    } else if (command.most > 0) {
      out +=
          std::string{"            '*:argument:"} + (takes_file(command) ? "_files" : "") + "'\n";
    }
    out += "          )\n          ;;\n";
  }
  return out + R"(      esac
      _arguments $everywhere $its
      ;;
  esac
}
_failoverctl "$@"
)";
}

TEST(CtlManual, CompletionsAreWhatTheTablesSay) {
  expect_is(kBash, bash_completion());
  expect_is(kZsh, zsh_completion());
}

// What bash offers for the last of these words.
std::vector<std::string> offered(const std::vector<std::string>& words) {
  std::string line = "source " + kBash + "; COMP_WORDS=(";
  for (const std::string& word : words) line += " '" + word + "'";
  line += "); COMP_CWORD=" + std::to_string(words.size() - 1) +
          "; _failoverctl; printf '%s\\n' \"${COMPREPLY[@]}\"";
  const auto ran = admin::run_program("/bin/bash", {"-c", line});
  EXPECT_EQ(ran.err, "");
  std::vector<std::string> all;
  std::istringstream in{ran.out};
  for (std::string word; in >> word;) all.push_back(word);
  return all;
}

TEST(CtlManual, BashOffersWhatMayStandThere) {
  using testing::AllOf;
  using testing::Contains;
  using testing::ElementsAre;
  using testing::Not;
  EXPECT_EQ(offered({"failoverctl", ""}), command_names());
  EXPECT_THAT(offered({"failoverctl", "changel"}), ElementsAre("changeleader"));
  EXPECT_THAT(offered({"failoverctl", "--server", "a:1", "--json", "mig"}), ElementsAre("migrate"));
  EXPECT_THAT(offered({"failoverctl", "--server", ""}), ElementsAre());
  EXPECT_THAT(offered({"failoverctl", "changeleader", "flow", "0", "a"}), ElementsAre("auto"));
  EXPECT_THAT(offered({"failoverctl", "changeleader", "--"}),
              AllOf(Contains("--force"), Contains("--json"), Not(Contains("--follow"))));
  EXPECT_THAT(offered({"failoverctl", "status", "--w"}), ElementsAre());
  // Files, where one belongs.
  EXPECT_THAT(offered({"failoverctl", "settablepartition", "/etc/passw"}), Contains("/etc/passwd"));
  EXPECT_THAT(offered({"failoverctl", "--socket", "/etc/passw"}), Contains("/etc/passwd"));
  EXPECT_THAT(offered({"failoverctl", "showtable", "/etc/passw"}), ElementsAre());
}

}  // namespace
}  // namespace failoverd::ctl
