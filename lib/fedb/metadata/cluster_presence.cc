#include "lib/fedb/metadata/cluster_presence.h"

#include <algorithm>
#include <utility>

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Stat;

constexpr const char* kReason = "no_cluster";

}  // namespace

ClusterPresence::ClusterPresence(Loop& loop, zookeeper::Client& session, Paths paths,
                                 Obstacles& obstacles)
    : session_(session),
      paths_(std::move(paths)),
      obstacles_(obstacles),
      signs_{Sign{paths_.nodes(), loop}, Sign{paths_.at("table"), loop}} {}

void ClusterPresence::connected(bool new_session) {
  for (Sign& sign : signs_) {
    if (new_session) sign.watched = false;
    if (!sign.watched) look(sign);
  }
}

void ClusterPresence::look(Sign& sign) {
  sign.watched = true;
  const auto fired = lifetime_.guard([this, &sign] {
    sign.watched = false;
    look(sign);
  });
  session_.exists(sign.path, lifetime_.guard([this, &sign](Code code, const Stat&) {
    // What may not be looked at is there.
    const bool is_refused = Obstacles::is_refusal(code);
    if (code == Code::kOk || code == Code::kNoNode || is_refused) {
      sign.exists = code != Code::kNoNode;
      judge();
    }
    if (code == Code::kOk || code == Code::kNoNode) return;
    sign.watched = false;
    if (code == Code::kExpired) return;
    sign.again.set(Obstacles::next_pause({}), [this, &sign] {
      if (!sign.watched) look(sign);
    });
  }),
                  fired);
}

void ClusterPresence::judge() {
  const bool is_there =
      std::ranges::any_of(signs_, [](const Sign& s) { return s.exists.value_or(false); });
  const bool is_known =
      std::ranges::all_of(signs_, [](const Sign& s) { return s.exists.has_value(); });
  if (!is_there && !is_known) return;
  const bool was_there = std::exchange(there_, is_there);
  obstacles_.set(kReason, paths_.root,
                 is_there ? ""
                          : "there is no cluster below " + paths_.root +
                                " in ZooKeeper, neither nodes nor table; creates nothing there and "
                                "waits for it, or for a restart with another cluster.root");
  if (is_there && !was_there) on_there();
}

}  // namespace failoverd::fedb
