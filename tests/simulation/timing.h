// How long things take in the made-up world. Simulation draws from the ranges, scenarios make both
// ends equal.
#pragma once

#include "tests/simulation/random.h"

namespace failoverd::simulation {

struct Timing {
  // One way between a daemon, a client or a tablet and a tablet.
  Range network{std::chrono::microseconds{100}, std::chrono::milliseconds{2}};
  // One way between a process and ZooKeeper, its disk included.
  Range zookeeper{std::chrono::microseconds{200}, std::chrono::milliseconds{4}};
  // A server of ZooKeeper has what the leader has committed.
  Range notice{Duration{0}, std::chrono::milliseconds{20}};
  Range timer_late{Duration{0}, std::chrono::milliseconds{2}};

  Duration daemon_session = std::chrono::seconds{2};
  Duration tablet_session = std::chrono::seconds{2};
  // A daemon that lost its connection to ZooKeeper tries again; with another server so often.
  Range reconnect{std::chrono::milliseconds{10}, std::chrono::milliseconds{300}};
  double another_server = 0.5;
  // A tablet that lost its session registers again on its keep-alive interval.
  Range keep_alive{std::chrono::milliseconds{100}, std::chrono::seconds{15}};
  // A tablet: from exec to its port, from its port to its znode; from its exit to the next start.
  Range start{std::chrono::milliseconds{5}, std::chrono::milliseconds{500}};
  Range registration{std::chrono::milliseconds{1}, std::chrono::milliseconds{50}};
  Range supervisor{std::chrono::milliseconds{200}, std::chrono::seconds{2}};

  // A leader's thread notices a put; waits after an error; gives up waiting for an answer.
  Range replication{std::chrono::milliseconds{1}, std::chrono::milliseconds{100}};
  Duration replication_error = std::chrono::seconds{1};
  Duration replication_timeout = std::chrono::seconds{12};

  // A binlog reaches the disk itself so often: what is younger does not survive a power cut.
  Duration binlog_sync = std::chrono::seconds{5};
  // A LoadTable, DropTable or SendSnapshot waits in the queue for a task thread, so often and so
  // long: a table that waits to be loaded is kTableUndefined, and as leader takes puts (SAFETY 19).
  double queued = 0;
  Range queue{std::chrono::milliseconds{1}, std::chrono::seconds{3}};
  // A task thread takes up its task; loads, drops, sends a file and waits after it, tries again.
  Range task_begins{Duration{0}, std::chrono::milliseconds{3}};
  Range load{std::chrono::milliseconds{10}, std::chrono::milliseconds{1500}};
  Range drop{std::chrono::milliseconds{1}, std::chrono::milliseconds{200}};
  Range send_file{std::chrono::milliseconds{1000}, std::chrono::milliseconds{1500}};
  Duration send_file_again = std::chrono::seconds{3};
  // A snapshot is made.
  Range make_snapshot{std::chrono::milliseconds{20}, std::chrono::seconds{5}};

  // What was under way while a network was cut arrives after all when it is mended.
  double late_delivery = 0.5;
  // A request that was under way when a daemon died or lost its connection is carried out.
  double carried_out = 0.5;
  // A call that could not even connect ends as "not sent", not as "silent".
  double not_sent = 0.5;
};

// Small and always the same.
inline Timing fixed_timing() {
  using std::chrono::milliseconds;
  const auto always = [](Duration d) { return Range{d, d}; };
  Timing t;
  t.network = always(milliseconds{1});
  t.zookeeper = always(std::chrono::microseconds{350});
  t.notice = always(milliseconds{1});
  t.timer_late = always(Duration{0});
  t.reconnect = always(milliseconds{50});
  t.keep_alive = always(milliseconds{500});
  t.start = always(milliseconds{20});
  t.registration = always(milliseconds{20});
  t.supervisor = always(milliseconds{500});
  t.replication = always(milliseconds{5});
  t.task_begins = always(milliseconds{1});
  t.load = always(milliseconds{50});
  t.drop = always(milliseconds{10});
  t.send_file = always(milliseconds{1000});
  t.make_snapshot = always(milliseconds{100});
  t.another_server = 0;
  t.late_delivery = 1;
  t.carried_out = 1;
  t.not_sent = 1;
  return t;
}

}  // namespace failoverd::simulation
