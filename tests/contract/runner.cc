#include "tests/contract/runner.h"

#include <stdexcept>

namespace failoverd::contract {
namespace {

Place place_of(const std::string& word) {
  const auto slash = word.find('/');
  if (slash == std::string::npos) throw std::invalid_argument("no partition: " + word);
  return {static_cast<std::uint32_t>(std::stoul(word)),
          static_cast<std::uint32_t>(std::stoul(word.substr(slash + 1)))};
}

}  // namespace

Runner::Runner(Subject& subject, const minitablet::Generation& generation)
    : subject_{subject}, generation_{generation} {
  learn_verbs();
}

// Words of a step: its verb first.
void Runner::learn_verbs() {
  verbs_["tablets"] = [this](const Step& s) {
    const bool short_binlogs = s.words.back() == "short-binlogs";
    for (std::size_t i = 1; i < s.words.size() - (short_binlogs ? 1 : 0); ++i) {
      subject_.begin(s.words[i], short_binlogs);
      tablets_[s.words[i]] = subject_.endpoint(s.words[i]);
    }
  };
  verbs_["kill"] = [this](const Step& s) { subject_.kill(tablet_named(s.words.at(1))); };
  verbs_["start"] = [this](const Step& s) { subject_.start(tablet_named(s.words.at(1))); };
  verbs_["restart"] = [this](const Step& s) {
    subject_.kill(tablet_named(s.words.at(1)));
    subject_.start(tablet_named(s.words.at(1)));
  };
  verbs_["put"] = [this](const Step& s) {
    const int rows = std::stoi(s.words.at(3));
    Step one = s;
    one.words = {s.words.at(1), "Put", s.words.at(2)};
    one.expected = {"code=0"};
    for (int i = 0; i < rows; ++i) ask(one);
  };
  verbs_["hold"] = [this](const Step& s) {
    const bool skips = s.words.size() > 5 && s.words[4] == "skip";
    subject_.hold(tablet_named(s.words.at(1)),
                  {s.words.at(2), s.words.at(3), skips ? std::stoi(s.words[5]) : 0});
  };
  verbs_["release"] = [this](const Step& s) { subject_.release(tablet_named(s.words.at(1))); };
  verbs_["fail-load"] = [this](const Step& s) {
    subject_.fail_next_load(tablet_named(s.words.at(1)), place_of(s.words.at(2)));
  };
  verbs_["delete-old-binlogs"] = [this](const Step& s) {
    subject_.delete_old_binlogs(tablet_named(s.words.at(1)), place_of(s.words.at(2)));
  };
  const auto are_alike = [this](const Step& s) {
    const Place at = place_of(s.words.at(3));
    return subject_.rows(tablet_named(s.words.at(1)), at) ==
           subject_.rows(tablet_named(s.words.at(2)), at);
  };
  verbs_["alike"] = [this, are_alike](const Step& s) {
    if (!are_alike(s)) wrong(s, "their rows are not the same");
  };
  verbs_["unlike"] = [this, are_alike](const Step& s) {
    if (are_alike(s)) wrong(s, "their rows are the same");
  };
  verbs_["rows"] = [this](const Step& s) {
    const std::string rows = subject_.rows(tablet_named(s.words.at(1)), place_of(s.words.at(2)));
    if (!rows.starts_with(s.words.at(3) + " rows")) wrong(s, "it holds " + rows);
  };
  verbs_["appends"] = [this](const Step& s) {
    const std::string& tablet = tablet_named(s.words.at(1));
    const std::uint64_t goal = subject_.appends(tablet) + std::stoul(s.words.at(2));
    if (!subject_.soon([&] { return subject_.appends(tablet) >= goal; })) {
      throw std::runtime_error("nobody sends to it");
    }
  };
  // The files behind the partitions' directories are in no order: they are left out.
  verbs_["directories"] = [this](const Step& s) {
    const std::string line = transcript().take(s.label.value());
    const std::string got = subject_.directories(tablet_named(s.words.at(1)));
    if (!line.starts_with(got)) wrong(s, "it has " + got + ", not " + line);
  };
  verbs_["skip"] = [this](const Step& s) { (void)transcript().take(s.label.value()); };
}

std::vector<std::string> Runner::run(const Script& script) {
  for (const Step& step : script.steps) {
    if (!step.generation.empty() && step.generation != generation_.name) continue;
    try {
      carry_out(step);
    } catch (const std::exception& e) {
      wrong(step, e.what());
      return faults_;
    }
  }
  if (transcript_ && !transcript_->ended()) faults_.push_back("the transcript goes on");
  return faults_;
}

void Runner::carry_out(const Step& step) {
  const auto verb = verbs_.find(step.words.front());
  if (verb == verbs_.end()) return ask(step);
  if (step.words.front() == "skip" || !subject_.has_no_notion_of(step, std::nullopt)) {
    return verb->second(step);
  }
  if (step.label) (void)transcript().take(*step.label);
}

void Runner::ask(const Step& step) {
  const std::string& tablet = tablet_named(step.words.front());
  if (step.words.size() < 2 || !is_method(step.words[1])) {
    throw std::invalid_argument("neither a verb nor a call");
  }
  const Question question = make_question(
      {step.words.begin() + 1, step.words.end()}, tablet,
      [this](const std::string& name) { return tablets_.at(tablet_named(name)); }, generation_);
  if (subject_.has_no_notion_of(step, question)) {
    if (step.label) (void)transcript().take(*step.label);
    return;
  }
  if (!step.expects()) throw std::invalid_argument("a call needs an expectation");
  if (!step.soon) {
    const std::string fault = judge(step, subject_.ask(tablet, question));
    if (!fault.empty()) wrong(step, fault);
    return;
  }
  if (step.label) throw std::invalid_argument("a transcript's answer came once");
  std::string fault;
  if (!subject_.soon([&] { return (fault = judge(step, subject_.ask(tablet, question))).empty(); }))
    throw std::runtime_error("waited in vain: " + fault);
}

std::string Runner::judge(const Step& step, const Reply& reply) {
  if (step.label) {
    return judge_label(*step.label, reply.response
                                        ? transcript_text_of(*reply.response)
                                        : "rpc error " + std::to_string(reply.error_code));
  }
  const Seen seen = see(reply, [this](const std::string& endpoint) {
    for (const auto& [name, of] : tablets_) {
      if (of == endpoint) return name;
    }
    return endpoint;
  });
  const std::string fault = compare(
      step.expected, seen, [this](const std::string& task) { return subject_.lists(task); });
  return fault.empty() ? "" : fault + "; it says " + to_text(seen);
}

std::string Runner::judge_label(const std::string& label, const std::string& answer) {
  const std::string ours = transcript().ours_without_names(subject_.known_of(answer));
  const std::string theirs =
      transcript().theirs_without_names(subject_.known_of(transcript().take(label)));
  // The real one's error has words around the code.
  const bool as_error = theirs.starts_with("EXC") && theirs.find(ours) != std::string::npos;
  return ours == theirs || as_error ? "" : "it says " + ours + ", the real one " + theirs;
}

Transcript& Runner::transcript() {
  if (!transcript_) {
    transcript_.emplace(FAILOVERD_GOLDEN "/" + std::string{generation_.golden} + "/tablet.txt");
  }
  return *transcript_;
}

const std::string& Runner::tablet_named(const std::string& word) const {
  const auto found = tablets_.find(word);
  if (found == tablets_.end()) throw std::invalid_argument("no tablet " + word);
  return found->first;
}

void Runner::wrong(const Step& step, const std::string& what) {
  faults_.push_back("line " + std::to_string(step.line) + " \"" + step.text + "\": " + what);
}

}  // namespace failoverd::contract
