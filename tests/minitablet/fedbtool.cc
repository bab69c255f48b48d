// fedbtool: plays the operator and the client of a cluster of minitablets: makes tables, writes
// rows, compares replicas, makes a tablet misbehave. For demos, tests and benchmarks. Exit status:
// 0 done, 1 refused or different, 2 usage.
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "proto/tablet.pb.h"
#include "tests/harness/wait_until.h"
#include "tests/minitablet/testkit/client.h"
#include "tests/minitablet/testkit/compare.h"
#include "tests/minitablet/testkit/create_table.h"
#include "tests/minitablet/testkit/writer.h"
#include "tests/minitablet/testkit/znodes.h"

namespace failoverd::testkit {
namespace {

namespace control = minitablet::control;

constexpr const char* kUsage =
    "fedbtool COMMAND [ARGUMENTS] [--OPTION=VALUE]...\n"
    "\n"
    "With --zk=HOST:PORT,... and --root=/ROOT (default /rtidb_cluster):\n"
    "  create-table NAME PARTITIONS REPLICAS [--endpoints=A,B,...]\n"
    "  write [--tables=T,...] [--rate=PUTS_PER_SECOND_AND_PARTITION] [--seconds=N] [--acked=FILE]\n"
    "        [--every=SECONDS] [--value-bytes=N] [--put-timeout-ms=N] [--partitions]\n"
    "        puts rows until SIGTERM or N seconds are over, prints one line of JSON every so "
    "often\n"
    "        and one at the end; --acked appends every acknowledged row to a file; SIGUSR1 "
    "forgets\n"
    "        the gaps so far\n"
    "  compare [--tables=T,...] [--acked=FILE] [--within=SECONDS]\n"
    "        exits with 1 if alive replicas differ or lack an acknowledged row\n"
    "  show  prints every table's partitions and replicas\n"
    "\n"
    "To one tablet:\n"
    "  dump ENDPOINT TID PID [--from-disk]\n"
    "  status ENDPOINT\n"
    "  control ENDPOINT hang METHOD|'*' [--stage=before|inside|after|queued] [--ms=N] [--calls=N]\n"
    "                                   [--tid=N] [--pid=N]\n"
    "        queued: a LoadTable, SendSnapshot or DropTable waits for a task thread\n"
    "  control ENDPOINT fail METHOD|'*' --code=N|--error-code=N|--drop [--calls=N] [--tid=N] "
    "[--pid=N]\n"
    "  control ENDPOINT release [METHOD]\n"
    "  control ENDPOINT lose-session [--stay] | restore-session | disk-full true|false | "
    "counters\n";

struct Usage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Arguments {
  std::vector<std::string> words;
  std::map<std::string, std::string> options;

  const std::string& word(std::size_t i, const char* what) const {
    if (i >= words.size()) throw Usage(std::string{what} + " is missing");
    return words[i];
  }
  bool has(const std::string& name) const { return options.contains(name); }
  std::string get(const std::string& name, const std::string& otherwise) const {
    const auto at = options.find(name);
    return at == options.end() ? otherwise : at->second;
  }
  std::vector<std::string> list(const std::string& name) const {
    std::vector<std::string> items;
    std::string rest = get(name, "");
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      if (comma != 0) items.push_back(rest.substr(0, comma));
      rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    }
    return items;
  }
};

std::uint32_t number(const std::string& text) {
  std::size_t used = 0;
  unsigned long value = 0;
  try {
    value = std::stoul(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == 0 || used != text.size()) throw Usage("'" + text + "' is no number");
  return static_cast<std::uint32_t>(value);
}

std::chrono::milliseconds seconds_of(const std::string& text) {
  return std::chrono::milliseconds{static_cast<std::int64_t>(std::stod(text) * 1000)};
}

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

std::string zookeeper(const Arguments& arguments) {
  if (!arguments.has("zk")) throw Usage("--zk=HOST:PORT is missing");
  return arguments.get("zk", "");
}

std::string root(const Arguments& arguments) { return arguments.get("root", "/rtidb_cluster"); }

int create(const Arguments& arguments) {
  TableWish wish;
  wish.name = arguments.word(1, "NAME");
  wish.partitions = number(arguments.word(2, "PARTITIONS"));
  wish.replicas = number(arguments.word(3, "REPLICAS"));
  wish.endpoints = arguments.list("endpoints");
  boost::asio::io_context io{1};
  Znodes znodes{io, zookeeper(arguments), root(arguments)};
  const fedb::TableInfo info = create_table(znodes, wish);
  say("created " + info.name() + " tid " + std::to_string(info.tid()) + ", " +
      std::to_string(wish.partitions) + " partitions x " + std::to_string(wish.replicas));
  return 0;
}

int write(const Arguments& arguments) {
  boost::asio::io_context io{1};
  Writer::Options options;
  options.zookeeper = zookeeper(arguments);
  options.root = root(arguments);
  options.tables = arguments.list("tables");
  options.rate = std::stod(arguments.get("rate", "50"));
  options.value_bytes = number(arguments.get("value-bytes", "16"));
  options.put_timeout = std::chrono::milliseconds{number(arguments.get("put-timeout-ms", "1000"))};
  options.acked_file = arguments.get("acked", "");
  options.keep_acked = false;
  if (options.rate <= 0) throw Usage("--rate must be above 0");
  Writer writer{io, options};

  boost::asio::signal_set signals{io, SIGTERM, SIGINT};
  boost::asio::signal_set wipe{io, SIGUSR1};
  boost::asio::steady_timer end{io};
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) writer.stop();
  });
  const std::function<void()> forget_when_told = [&] {
    wipe.async_wait([&](const boost::system::error_code& error, int) {
      if (error) return;
      writer.forget_gaps();
      forget_when_told();
    });
  };
  forget_when_told();
  if (arguments.has("seconds")) {
    end.expires_after(seconds_of(arguments.get("seconds", "")));
    end.async_wait([&](const boost::system::error_code& error) {
      if (!error) writer.stop();
    });
  }
  const auto every = seconds_of(arguments.get("every", "1"));
  auto next = std::chrono::steady_clock::now() + every;
  writer.start();
  const auto tell = [&] {
    if (std::chrono::steady_clock::now() >= next) {
      next += every;
      if (!writer.idle()) say(writer.summary().to_json(arguments.has("partitions")));
    }
    return writer.idle();
  };
  harness::wait_until(io, tell, std::chrono::hours{24 * 365}, "the writer was stopped");
  say(writer.summary().to_json(true));
  return 0;
}

int compare(const Arguments& arguments) {
  boost::asio::io_context io{1};
  CompareWish wish;
  wish.tables = arguments.list("tables");
  wish.within = seconds_of(arguments.get("within", "0"));
  if (arguments.has("acked")) wish.acked = read_acked(arguments.get("acked", ""));
  Znodes znodes{io, zookeeper(arguments), root(arguments)};
  const Comparison comparison = compare_replicas(znodes, wish);
  std::fputs(comparison.to_text().c_str(), stdout);
  return comparison.equal() ? 0 : 1;
}

int show(const Arguments& arguments) {
  boost::asio::io_context io{1};
  Znodes znodes{io, zookeeper(arguments), root(arguments)};
  for (const fedb::TableInfo& table : znodes.tables()) {
    for (const fedb::TablePartition& partition : table.table_partition()) {
      for (const fedb::PartitionMeta& row : partition.partition_meta()) {
        say(table.name() + " " + std::to_string(partition.pid()) + " " + row.endpoint() + " " +
            (row.is_leader() ? "leader" : "follower") + " " + (row.is_alive() ? "yes" : "no"));
      }
    }
  }
  return 0;
}

int dump(const Arguments& arguments) {
  boost::asio::io_context io{1};
  Client client{io, arguments.word(1, "ENDPOINT")};
  control::DumpRequest request;
  request.set_tid(number(arguments.word(2, "TID")));
  request.set_pid(number(arguments.word(3, "PID")));
  request.set_from_disk(arguments.has("from-disk"));
  for (;;) {
    const auto page = client.dump(request);
    if (!page) throw std::runtime_error(client.last_answer().error_text);
    if (page->code() != 0) throw std::runtime_error(page->msg());
    for (const control::DumpedRow& row : page->rows()) {
      say(std::to_string(row.index()) + "\t" + std::to_string(row.term()) + "\t" + row.pk() + "\t" +
          std::to_string(row.ts()) + "\t" + row.value());
    }
    if (page->more()) {
      request.set_after_index(page->rows(page->rows_size() - 1).index());
      continue;
    }
    say("# " + std::to_string(page->row_count()) + " rows, digest " +
        std::to_string(page->digest()) + ", offset " + std::to_string(page->offset()) + ", term " +
        std::to_string(page->term()) + (page->is_leader() ? ", leader" : ""));
    return 0;
  }
}

int status(const Arguments& arguments) {
  boost::asio::io_context io{1};
  Client client{io, arguments.word(1, "ENDPOINT")};
  const auto answer =
      client.ask<fedb::GetTableStatusResponse>("GetTableStatus", fedb::GetTableStatusRequest{});
  if (!answer) throw std::runtime_error(client.last_answer().error_text);
  for (const fedb::TableStatus& table : answer->all_table_status()) {
    say(table.name() + " " + std::to_string(table.pid()) + " " +
        fedb::TableMode_Name(table.mode()) + " " + fedb::TableState_Name(table.state()) +
        " offset " + std::to_string(table.offset()));
  }
  return 0;
}

control::Match match_of(const Arguments& arguments) {
  control::Match match;
  match.set_method(arguments.word(3, "METHOD"));
  if (arguments.has("tid")) match.set_tid(number(arguments.get("tid", "")));
  if (arguments.has("pid")) match.set_pid(number(arguments.get("pid", "")));
  return match;
}

bool hang(Client& client, const Arguments& arguments) {
  control::HangRequest request;
  *request.mutable_match() = match_of(arguments);
  const std::string stage = arguments.get("stage", "before");
  static const std::map<std::string, control::Stage> kStages = {{"before", control::kBefore},
                                                                {"inside", control::kInside},
                                                                {"after", control::kAfter},
                                                                {"queued", control::kQueued}};
  if (!kStages.contains(stage)) throw Usage("--stage=" + stage + " is no stage of a call");
  request.set_stage(kStages.at(stage));
  request.set_milliseconds(number(arguments.get("ms", "0")));
  request.set_calls(number(arguments.get("calls", "0")));
  return client.control("Hang", request);
}

bool fail(Client& client, const Arguments& arguments) {
  control::FailRequest request;
  *request.mutable_match() = match_of(arguments);
  request.set_calls(number(arguments.get("calls", "0")));
  if (arguments.has("code")) request.set_code(std::stoi(arguments.get("code", "")));
  if (arguments.has("error-code")) {
    request.set_error_code(std::stoi(arguments.get("error-code", "")));
  }
  request.set_drop(arguments.has("drop"));
  return client.control("Fail", request);
}

bool counters(Client& client) {
  const rpc::Answer answer = client.call("MiniTablet", "Counters", "");
  control::CountersResponse response;
  if (answer.outcome != rpc::Outcome::kAnswered) return false;
  response.ParseFromString(answer.payload);
  for (const control::Counter& counter : response.counters()) {
    say(counter.method() + " " + std::to_string(counter.calls()));
  }
  return true;
}

bool misbehave(Client& client, const Arguments& arguments) {
  const std::string& what = arguments.word(2, "what to do");
  if (what == "hang") return hang(client, arguments);
  if (what == "fail") return fail(client, arguments);
  if (what == "counters") return counters(client);
  if (what == "release") {
    control::ReleaseRequest request;
    if (arguments.words.size() > 3) request.set_method(arguments.words[3]);
    return client.control("Release", request);
  }
  if (what == "lose-session") {
    control::LoseSessionRequest request;
    request.set_stay_lost(arguments.has("stay"));
    return client.control("LoseSession", request);
  }
  if (what == "restore-session") {
    return client.control("RestoreSession", control::RestoreSessionRequest{});
  }
  if (what == "disk-full") {
    control::SetDiskFullRequest request;
    request.set_full(arguments.word(3, "true or false") == "true");
    return client.control("SetDiskFull", request);
  }
  throw Usage("'" + what + "' is nothing that a tablet can be told");
}

int control_tablet(const Arguments& arguments) {
  boost::asio::io_context io{1};
  Client client{io, arguments.word(1, "ENDPOINT")};
  if (misbehave(client, arguments)) return 0;
  throw std::runtime_error("refused or not answered: " + client.last_answer().error_text);
}

int run(const Arguments& arguments) {
  const std::string& command = arguments.word(0, "COMMAND");
  if (command == "create-table") return create(arguments);
  if (command == "write") return write(arguments);
  if (command == "compare") return compare(arguments);
  if (command == "show") return show(arguments);
  if (command == "dump") return dump(arguments);
  if (command == "status") return status(arguments);
  if (command == "control") return control_tablet(arguments);
  throw Usage("'" + command + "' is no command");
}

}  // namespace
}  // namespace failoverd::testkit

int main(int argc, char** argv) {
  using namespace failoverd::testkit;
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--help") {
      std::fputs(kUsage, stdout);
      return 0;
    }
    if (word.starts_with("--")) {
      const std::size_t equals = word.find('=');
      arguments.options[word.substr(2, equals - 2)] =
          equals == std::string::npos ? "" : word.substr(equals + 1);
    } else {
      arguments.words.push_back(word);
    }
  }
  try {
    return run(arguments);
  } catch (const Usage& wrong) {
    std::fprintf(stderr, "fedbtool: %s\n\n%s", wrong.what(), kUsage);
    return 2;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "fedbtool: %s\n", failure.what());
    return 1;
  }
}
