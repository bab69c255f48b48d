#include "tests/contract/simulation_subject.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <regex>
#include <set>
#include <stdexcept>

#include "proto/tablet.pb.h"
#include "tests/contract/simulation_answers.h"
#include "tests/minitablet/table_meta.pb.h"

namespace failoverd::contract {

using namespace std::chrono_literals;

namespace {

// What the simulation's tablet has by design no notion of. A pattern is one of the step's text with
// its label, of a task in a list, or of what stands in a transcript's answer.
enum class What {
  kNothing,   // The step: nothing is done, nothing compared.
  kByHand,    // The step: what it does is done to the tablet, its answer is not compared.
  kTask,      // GetTaskStatus does not list it.
  kInAnswer,  // This part of the answer is not compared.
};
struct NoNotion {
  What what;
  const char* generation;  // Empty: of any.
  const char* pattern;
  const char* why;
};
constexpr NoNotion kNoNotion[] = {
    // Calls that failoverd does not make.
    {What::kByHand, "", R"(^\w+ CreateTable )", "tables are made by the nameserver"},
    {What::kNothing, "", R"(^\w+ Get )", "rows have no keys: nobody reads them"},
    {What::kNothing, "", R"(^\w+ CheckFile )", "there are no files: a copy is whole, or not"},
    {What::kNothing, "", R"(^hold \w+ CheckFile )", "time stands still between two steps"},
    {What::kNothing, "", R"(^directories )", "a partition's directory has no name"},
    {What::kNothing, "", R"(^\w+ UpdateRealEndpointMap)", "no row carries a name (use_name)"},
    // Requests that failoverd does not make.
    {What::kNothing, "", R"( op \d+ as )", "a task is of its method's type"},
    {What::kNothing, "", R"("PauseSnapshot task op 50 again)",
     "only those four calls of failoverd's come with a task"},
    {What::kNothing, "openmldb", R"(^\w+ SendSnapshot (?!.*remote_tid))", "remote_tid is sent"},
    {What::kNothing, "openmldb", R"("LoadTable a, )", "columns are not there, and never doubled"},
    {What::kByHand, "openmldb", R"(^\w+ LoadTable .*follower columns|LoadTable d 902)",
     "no columns are sent"},
    {What::kNothing, "openmldb", R"( storage_mode kHDD)", "it takes tables of every storage"},
    // What answers have besides.
    {What::kInAnswer, "", R"((^| )[23]=[A-Za-z][^=]*(?= \d+=|$))", "texts are for people"},
    {What::kInAnswer, "", R"(, \(2, b'[^']*sdb'\), \(3, \d+\))", "it has no name, and no count"},
    {What::kInAnswer, "", R"(\(2, \d+\), (?=\(3, \d+\), \(4, \d+\)))", "a task's op type"},
    {What::kInAnswer, "", R"(, \(5, b'[^']*'\)(, \(8, \d+\))?)", "a task's endpoint and task_id"},
    {What::kInAnswer, "", R"(\[\(1, \d+\), \(3, (?![145]\)|12\))\d+\), \(4, \d+\)\](, )?)",
     "only those four calls of failoverd's come with a task"},
    {What::kTask, "", R"(^\d+/k(?!SendSnapshot|DropTable|MakeSnapshot|LoadTable))",
     "only those four calls of failoverd's come with a task"},
    {What::kInAnswer, "openmldb", R"(\[\(1, 52\), \(3, 4\), \(4, 3\)\](, )?)",
     "that SendSnapshot was without remote_tid"},
    {What::kTask, "openmldb", R"(^52/)", "that SendSnapshot was without remote_tid"},
};

// Of the table's rows, by their place.
std::set<std::size_t>& needed_rows() {
  static std::set<std::size_t> needed;
  return needed;
}

// Whether the row is of that kind and speaks of the text; it counts as needed from then on.
bool speaks(const NoNotion& row, What what, const minitablet::Generation& generation,
            const std::string& text) {
  if (row.what != what || (*row.generation && std::string{generation.name} != row.generation) ||
      !std::regex_search(text, std::regex{row.pattern})) {
    return false;
  }
  needed_rows().insert(static_cast<std::size_t>(&row - kNoNotion));
  return true;
}

}  // namespace

std::vector<std::string> SimulationSubject::unneeded_rows() {
  std::vector<std::string> rows;
  for (std::size_t i = 0; i < std::size(kNoNotion); ++i) {
    if (needed_rows().contains(i)) continue;
    rows.push_back(kNoNotion[i].pattern + std::string{": "} + kNoNotion[i].why);
  }
  return rows;
}

SimulationSubject::SimulationSubject(const minitablet::Generation& generation)
    : generation_{generation} {}

// --- Processes

void SimulationSubject::begin(const std::string& tablet, bool) {
  const std::string endpoint = "127.0.0.1:" + std::to_string(9001 + endpoints_.size());
  endpoints_[tablet] = endpoint;
  simulation::Tablet& made = world_.add_tablet(endpoint);
  if (&generation_ == &minitablet::openmldb()) made.generation = simulation::Tablet::openmldb();
}

// Its znode goes with it, or it could not come back at once.
void SimulationSubject::kill(const std::string& tablet) {
  at(tablet).lose_session();
  world_.kill(endpoint(tablet));
}

void SimulationSubject::start(const std::string& tablet) { at(tablet).start(); }

bool SimulationSubject::soon(const std::function<bool()>& holds) {
  return world_.run_until(holds, 60s);
}

// --- Calls

std::optional<core::Answer> SimulationSubject::answer_of(const std::string& tablet,
                                                         const core::Call& call,
                                                         core::Storage storage) {
  std::optional<core::Answer> answer;
  at(tablet).take([&] {
    at(tablet).call(
        call, [&](const core::Answer& a) { answer = a; }, nullptr, storage);
  });
  world_.run_until([&] { return answer.has_value(); }, 60s);
  return answer;
}

Reply SimulationSubject::ask(const std::string& tablet, const Question& question) {
  if (!at(tablet).running()) return {};
  std::optional<core::Answer> answer;
  if (const auto* put = dynamic_cast<const fedb::PutRequest*>(&*question.request)) {
    answer.emplace();
    at(tablet).put(key_of(*put), world_.next_payload(), answer->code);
  } else if (const auto append = entries_of(question)) {
    answer = contract::answer_of(at(tablet).append(*append));
  } else if (const auto leader = loaded_as_leader(question)) {
    answer = at(tablet).load_table(leader->load, leader->term, leader->replicas);
  } else {
    const core::Storage storage = storage_of(*question.request);
    for (const core::Call& call : calls_of(question)) answer = answer_of(tablet, call, storage);
  }
  if (!answer) return {};
  return {response_of(question, *answer), 0};
}

bool SimulationSubject::has_no_notion_of(const Step& step,
                                         const std::optional<Question>& question) {
  const std::string text = step.text + (step.label ? " -> \"" + *step.label + "\"" : "");
  for (const NoNotion& row : kNoNotion) {
    if (speaks(row, What::kNothing, generation_, text)) return true;
    if (!speaks(row, What::kByHand, generation_, text)) continue;
    do_by_hand(step.words.front(), question.value());
    return true;
  }
  return false;
}

void SimulationSubject::do_by_hand(const std::string& tablet, const Question& question) {
  const auto create = [&](const minitablet::TableMeta& meta) {
    if (at(tablet).held(key_of(meta))) return;
    const bool leads = meta.mode() == fedb::kTableLeader;
    at(tablet).create(key_of(meta), meta.name(),
                      leads ? core::Mode::kLeader : core::Mode::kFollower, meta.term(),
                      {meta.replicas().begin(), meta.replicas().end()}, storage_of(meta));
  };
  const auto* request = &*question.request;
  if (const auto* c = dynamic_cast<const minitablet::CreateTableRequest*>(request)) {
    create(c->table_meta());
  } else if (const auto* l = dynamic_cast<const minitablet::LoadTableRequest*>(request)) {
    if (l->has_task_info()) {
      const bool is_new = !at(tablet).held(key_of(l->table_meta()));
      at(tablet).tasks[{l->task_info().op_id(), core::Task::kLoadTable}] =
          is_new ? core::OpStatus::kDone : core::OpStatus::kFailed;
    }
    create(l->table_meta());
  }
}

std::string SimulationSubject::known_of(const std::string& answer) {
  std::string known = answer;
  for (const NoNotion& row : kNoNotion) {
    if (!speaks(row, What::kInAnswer, generation_, known)) continue;
    known = std::regex_replace(known, std::regex{row.pattern}, "");
  }
  return known;
}

bool SimulationSubject::lists(const std::string& task) {
  return std::none_of(std::begin(kNoNotion), std::end(kNoNotion), [&](const NoNotion& row) {
    return speaks(row, What::kTask, generation_, task);
  });
}

// --- What happens to tablets

void SimulationSubject::hold(const std::string& tablet, const Hold& hold) {
  static const std::map<std::string, core::Task> kTasks{
      {"LoadTable", core::Task::kLoadTable},
      {"DropTable", core::Task::kDropTable},
      {"SendSnapshot", core::Task::kSendSnapshot},
      {"MakeSnapshot", core::Task::kMakeSnapshot}};
  if (hold.method == "AppendEntries" && hold.stage == "before") {
    for (const auto& [name, other] : endpoints_) {
      if (name != tablet) world_.cut(other, endpoint(tablet));
    }
    return;
  }
  using Stage = simulation::Tablet::Stage;
  if (hold.stage == "before") throw std::invalid_argument("only AppendEntries waits before it");
  at(tablet).hold(kTasks.at(hold.method), hold.stage == "queued" ? Stage::kQueued : Stage::kInside);
}

void SimulationSubject::release(const std::string& tablet) {
  for (const auto& [name, other] : endpoints_) world_.mend(other, endpoint(tablet));
  at(tablet).let_go();
}

void SimulationSubject::fail_next_load(const std::string& tablet, Place) {
  at(tablet).fail_next_load();
}

void SimulationSubject::delete_old_binlogs(const std::string& tablet, Place place) {
  at(tablet).delete_old_binlogs({place.tid, place.pid});
}

std::string SimulationSubject::rows(const std::string& tablet, Place place) {
  const core::PartitionKey key{place.tid, place.pid};
  if (!at(tablet).held(key)) throw std::runtime_error(tablet + " does not hold it");
  const simulation::Log& log = at(tablet).log(key);
  return std::to_string(log.entries().size()) + " rows, chain " + std::to_string(log.chain());
}

std::string SimulationSubject::directories(const std::string&) {
  throw std::logic_error("the table says that it has none");
}

}  // namespace failoverd::contract
