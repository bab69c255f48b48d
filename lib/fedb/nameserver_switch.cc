#include "lib/fedb/nameserver_switch.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Op;
using zookeeper::OpResult;
using zookeeper::Stat;

constexpr const char* kNobody = "no nameserver leads; without one failoverd acts by itself";

}  // namespace

NameserverSwitch::NameserverSwitch(zookeeper::Client& session, Paths paths, Leadership& leadership,
                                   NameserverWatch& nameserver, Switch& ours)
    : session_(session),
      paths_(std::move(paths)),
      leadership_(leadership),
      nameserver_(nameserver),
      ours_(ours) {}

// --- Taking over ---------------------------------------------------------------------------------

// Ours first: it stands back as long as the nameserver's is on, so that whoever dies in between
// leaves somebody who steers.
void NameserverSwitch::take_over(const std::string& by, const Done& done) {
  if (!nameserver_.leads()) return done(false, kNobody);
  const bool was = nameserver_.said().auto_failover;
  const auto switch_off = lifetime_.guard([this, was, done](bool ok, const std::string& why) {
    if (!ok) return done(false, "what it was cannot be kept: " + why);
    if (!was) return done(true, "the nameserver's auto_failover was off already; failoverd acts");
    nameserver_.set_auto_failover(
        false, lifetime_.guard([this, done](bool off, const std::string& failed) {
          if (!off) return done(false, failed);
          done(true, "the auto_failover of nameserver " + nameserver_.endpoint() +
                         " is off; failoverd acts when what runs of its ops has ended");
        }));
  });
  ours_.set(true, by,
            lifetime_.guard([this, was, by, done, switch_off](bool ok, const std::string& why) {
              if (!ok) return done(false, "failoverd's own switch: " + why);
              // Off already: what an earlier one kept stands.
              if (!was) return switch_off(true, std::string{});
              remember(was, by, switch_off);
            }));
}

void NameserverSwitch::remember(bool was, const std::string& by, const Done& done) {
  const std::string value = std::string{was ? "true" : "false"} + "\nby " + by;
  session_.exists(paths_.nameserver_switch(),
                  lifetime_.guard([this, value, done](Code code, const Stat&) {
                    if (code != Code::kOk && code != Code::kNoNode) {
                      return done(false, zookeeper::to_text(code));
                    }
                    write(code == Code::kOk, value, done);
                  }));
}

void NameserverSwitch::write(bool exists, const std::string& value, const Done& done) {
  const std::string path = paths_.nameserver_switch();
  std::vector<Op> ops = {leadership_.epoch_check(),
                         exists ? Op::set(path, value, -1) : Op::create(path, value)};
  session_.multi(std::move(ops), [done](Code code, const std::vector<OpResult>&) {
    done(code == Code::kOk, zookeeper::to_text(code));
  });
}

// --- Giving back ---------------------------------------------------------------------------------

void NameserverSwitch::prepare_release(const std::string& by, const Done& done) {
  if (!nameserver_.leads()) return done(false, kNobody);
  ours_.set(false, by, [done](bool ok, const std::string& why) {
    done(ok, ok ? "failoverd's auto_failover is off" : "failoverd's own switch: " + why);
  });
}

void NameserverSwitch::release(const Done& done) {
  if (!nameserver_.leads()) return done(false, kNobody);
  session_.get(paths_.nameserver_switch(),
               lifetime_.guard([this, done](Code code, const std::string& value, const Stat&) {
                 if (code != Code::kOk && code != Code::kNoNode) {
                   return done(false, zookeeper::to_text(code));
                 }
                 give_back(code == Code::kOk && value.starts_with("true"), done);
               }));
}

void NameserverSwitch::give_back(bool was, const Done& done) {
  const std::string name = "the auto_failover of nameserver " + nameserver_.endpoint();
  if (!was) return done(true, name + " stays off, as it was before; failoverd's is off");
  nameserver_.set_auto_failover(
      true, lifetime_.guard([this, name, done](bool ok, const std::string& why) {
        if (!ok) return done(false, why);
        session_.multi({leadership_.epoch_check(), Op::remove(paths_.nameserver_switch(), -1)},
                       [](Code, const std::vector<OpResult>&) {});
        done(true, name + " is on again; failoverd's is off");
      }));
}

// It counts terms in its memory, from what table/term was when it began to lead. Whatever was
// written there since, it does not know: replicas may hold higher terms, and refuse its probes.
void NameserverSwitch::why_not_to_release(std::uint64_t highest_term,
                                          std::function<void(std::string)> done) {
  const auto written = std::make_shared<std::int64_t>(0);  // When we wrote it last; 0: we did not.
  session_.get(paths_.term(),
               [written, highest_term](Code code, const std::string& value, const Stat& stat) {
                 const bool is_ours = highest_term == 0 || value == std::to_string(highest_term);
                 if (code == Code::kOk && is_ours) *written = stat.mzxid;
               });
  // Answered in this order.
  session_.children(
      paths_.nameservers(),
      lifetime_.guard([this, written, done](Code code, std::vector<std::string> names,
                                            const Stat&) {
        if (code != Code::kOk || names.empty()) return done("");
        std::sort(names.begin(), names.end());
        session_.exists(
            paths_.nameservers() + "/" + names.front(),
            lifetime_.guard([this, written, done](Code asked, const Stat& stat) {
              const bool is_older = asked == Code::kOk && stat.czxid < *written;
              done(is_older ? "nameserver " + nameserver_.endpoint() +
                                  " counts terms in its memory and does not know those that were "
                                  "given out since it leads: its elections would fail. Restart it "
                                  "first (or let another one lead), then release again"
                            : "");
            }));
      }));
}

}  // namespace failoverd::fedb
