// What is broken beside nameservers, and the checkers that find it: SAFETY 13.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "lib/fedb/wire/table_info.h"
#include "proto/nameserver.pb.h"
#include "tests/simulation/broken.h"
#include "tests/simulation/nameserver.h"

namespace failoverd::simulation {
namespace {

using Reply = std::function<void(std::string payload)>;

// It sees no nameserver.
TEST(BrokenBesideANameserver, WritesPastIt) {
  expect_found("SAFETY 13: nothing is written past a nameserver", [](World& world) {
    world.tamper.event = [](const Daemon&, core::Event& event) {
      if (auto* listed = std::get_if<core::NameserversListed>(&event)) listed->endpoints.clear();
    };
  });
}

// Answers a question for a partition without asking the nameserver. False: it is none.
bool answer_for(World& world, const NameserverCall& call, const Reply& reply) {
  if (call.method != "GetTablePartition") return false;
  fedb::GetTablePartitionRequest asked;
  asked.ParseFromString(call.request);
  const Nameserver* nameserver = world.find_nameserver(call.endpoint);
  const std::string znode = "table/table_data/" + asked.name();
  if (!nameserver->tables().contains(znode)) return false;
  const auto messages =
      fedb::partition_messages(nameserver->tables().at(znode), world.fake_zookeeper.numbering);
  fedb::GetTablePartitionResponse response;
  response.set_code(0);
  response.mutable_table_partition()->ParseFromString(messages.at(asked.pid()));
  reply(response.SerializeAsString());
  return true;
}

// It goes by what it believes to stand there.
TEST(BrokenBesideANameserver, DoesNotReadBefore) {
  expect_found("SAFETY 13: a partition is read before it is replaced", [](World& world) {
    world.tamper.nameserver = [&world](const NameserverCall& call, const Reply& reply) {
      return answer_for(world, call, reply);
    };
  });
}

// It does not ask what the nameserver is about.
TEST(BrokenBesideANameserver, DoesNotAskForItsOps) {
  expect_found("SAFETY 13: a partition is read before it is replaced", [](World& world) {
    world.tamper.nameserver = [](const NameserverCall& call, const Reply& reply) {
      if (call.method != "ShowOPStatus") return false;
      fedb::ShowOPStatusResponse none;
      none.set_code(0);
      reply(none.SerializeAsString());
      return true;
    };
  });
}

// What it has sent it takes for published.
TEST(BrokenBesideANameserver, DoesNotReadBack) {
  expect_found("SAFETY 13: what was published is read back", [](World& world) {
    const auto was_set = std::make_shared<bool>(false);
    world.tamper.nameserver = [&world, was_set](const NameserverCall& call, const Reply& reply) {
      if (call.method == "SetTablePartition") *was_set = true;
      if (call.method == "ShowOPStatus") *was_set = false;  // Another publish begins.
      return *was_set && answer_for(world, call, reply);
    };
  });
}

// It takes every nameserver for one that does not steer.
TEST(BrokenBesideANameserver, SteersBesideOneThatSteers) {
  expect_found("SAFETY 13: a nameserver that steers is left alone", [](World& world) {
    world.tamper.event = [](const Daemon&, core::Event& event) {
      auto* said = std::get_if<core::NameserverAnswered>(&event);
      if (said) said->auto_failover = said->drains = false;
    };
  });
}

// Somebody orders it there again and again.
void change_leaders(World& world) {
  world.schedule.after(std::chrono::seconds{4}, [&world] {
    Nameserver* leads = world.leading_nameserver();
    if (leads) leads->change_leader({2, 0});
    change_leaders(world);
  });
}

// It does not know of the ops that the nameserver has of its own.
TEST(BrokenBesideANameserver, BeginsBesideItsOps) {
  expect_found("SAFETY 13: where a nameserver has an op of its own nothing is begun",
               [](World& world) {
                 world.tamper.event = [](const Daemon&, core::Event& event) {
                   auto* read = std::get_if<core::NameserverOpsRead>(&event);
                   if (read) read->running.clear();
                 };
                 change_leaders(world);
               });
}

}  // namespace
}  // namespace failoverd::simulation
