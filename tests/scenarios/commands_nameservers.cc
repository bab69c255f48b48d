// Nameservers, and what people do with them.
#include <stdexcept>

#include "tests/scenarios/scenario.h"
#include "tests/simulation/nameserver.h"

namespace failoverd::scenarios {

using simulation::Nameserver;

// nameserver comes, goes: no more than its znode, and nobody answers. Else of one by its name:
// starts, steers, follows-orders, dies, stops, goes-on, loses-connection, changes-leader flow/0,
// sets flow/0 B alive|dead, writes-again flow.
void Scenario::learn_nameservers() {
  commands_["nameserver"] = [this](const Words& w) {
    if (w.size() > 1) return order_nameserver(w);
    world_.fake_zookeeper.set_nameservers(w.at(0) == "comes" ? std::vector<std::string>{"ns:1"}
                                                             : std::vector<std::string>{});
  };
}

void Scenario::order_nameserver(const Words& w) {
  const std::string endpoint = w[0] + ":1";
  const std::string& what = w[1];
  Nameserver* known = world_.find_nameserver(endpoint);
  if (!known && what != "starts") throw std::invalid_argument("it has not been started");
  if (!known) {
    if (world_.nameservers().empty()) Nameserver::make_znodes(world_, /*auto_failover=*/false);
    known = &world_.add_nameserver(endpoint, world_.nameservers().size());
    known->reads_for = {std::chrono::milliseconds{100}, std::chrono::milliseconds{100}};
  }
  Nameserver& nameserver = *known;
  if (what == "starts") return nameserver.start();
  if (what == "dies") return nameserver.kill();
  if (what == "stops") return nameserver.pause();
  if (what == "goes-on") return nameserver.resume();
  if (what == "loses-connection") return nameserver.lose_connection();
  if (what == "steers") return nameserver.switch_auto_failover(true);
  if (what == "follows-orders") return nameserver.switch_auto_failover(false);
  if (what == "changes-leader") return nameserver.change_leader(partition_named(w.at(2)));
  if (what == "writes-again") return nameserver.write_again(table_named(w.at(2)).znode);
  if (what != "sets") throw std::invalid_argument("a nameserver does no such thing");
  nameserver.set_alive(partition_named(w.at(2)), tablet_named(w.at(3)), w.at(4) == "alive");
}

}  // namespace failoverd::scenarios
