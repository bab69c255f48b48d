#include "lib/fedb/nameserver_switch.h"

#include <utility>
#include <vector>

namespace failoverd::fedb {
namespace {

using Set = NameserverWatch::Set;
using zookeeper::Code;
using zookeeper::Op;
using zookeeper::OpResult;
using zookeeper::Stat;

}  // namespace

NameserverSwitch::NameserverSwitch(zookeeper::Client& session, Paths paths, Leadership& leadership,
                                   ZnodeStore& metadata, NameserverWatch& nameserver, Switch& ours)
    : session_(session),
      paths_(std::move(paths)),
      leadership_(leadership),
      metadata_(metadata),
      nameserver_(nameserver),
      ours_(ours),
      terms_(session, paths_) {}

std::string NameserverSwitch::who_leads_not() const {
  if (!nameserver_.is_there()) {
    return "no nameserver is there; without one failoverd acts while its own auto_failover is on";
  }
  const core::NameserverAnswered& said = nameserver_.said();
  const bool starts = said.state == core::NameserverAnswered::State::kStarting;
  return "nameserver " + nameserver_.endpoint() +
         (starts ? " does not lead yet" : " does not answer") +
         (said.auto_failover ? "; failoverd stands back until it leads, or its znode has gone"
                             : "");
}

// --- Taking over ---------------------------------------------------------------------------------

// Ours first: it stands back as long as the nameserver's is on, so that whoever dies in between
// leaves somebody who steers.
void NameserverSwitch::take_over(const std::string& by, const Done& done) {
  if (!nameserver_.leads()) return done(false, who_leads_not());
  // Before we write a term: then what stands there may be its own count.
  terms_.look(we_reserve(), [this, by, done](bool) { switch_over(by, done); });
}

void NameserverSwitch::switch_over(const std::string& by, const Done& done) {
  const bool was = nameserver_.said().auto_failover;
  const auto switch_off = lifetime_.guard([this, was, done](bool ok, const std::string& why) {
    if (!ok) return done(false, "what it was cannot be kept: " + why);
    if (!was) return done(true, "the nameserver's auto_failover was off already; failoverd acts");
    nameserver_.set_auto_failover(
        false, lifetime_.guard([this, done](Set off, const std::string& failed) {
          if (off != Set::kDone) return done(false, failed);
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
  if (!nameserver_.leads()) return done(false, who_leads_not());
  ours_.set_off_to_release(by, [done](bool ok, const std::string& why) {
    done(ok, ok ? "failoverd's auto_failover is off" : "failoverd's own switch: " + why);
  });
}

void NameserverSwitch::release(const Done& done) {
  if (!nameserver_.leads()) return done(false, who_leads_not());
  session_.get(paths_.nameserver_switch(),
               lifetime_.guard([this, done](Code code, const std::string& value, const Stat&) {
                 if (code != Code::kOk && code != Code::kNoNode) {
                   return done(false, "what it was cannot be read: " +
                                          std::string{zookeeper::to_text(code)});
                 }
                 give_back(code == Code::kOk && value.starts_with("true"), done);
               }));
}

void NameserverSwitch::give_back(bool was, const Done& done) {
  const std::string name = "the auto_failover of nameserver " + nameserver_.endpoint();
  if (it_steers()) return released(true, name + " is on; failoverd's is off", done);
  if (!was) return released(false, name + " stays off, as it was before; failoverd's is off", done);
  nameserver_.set_auto_failover(
      true, lifetime_.guard([this, name, done](Set on, const std::string& why) {
        if (on == Set::kDone)
          return released(true, name + " is on again; failoverd's is off", done);
        if (on == Set::kNotDone) return not_given_back(why, done);
        if (it_steers()) return released(true, name + " is on; failoverd's is off", done);
        done(false, why + "; it is not known whether its auto_failover is on");
      }));
}

void NameserverSwitch::not_given_back(const std::string& why, const Done& done) {
  const bool was = ours_.was_before_release().value_or(false);
  ours_.end_release(was, [why, was, done](bool ok, const std::string& failed) {
    if (!ok) return done(false, why + "; failoverd's own switch: " + failed);
    done(false, why + (was ? "; failoverd's auto_failover is on again"
                           : "; failoverd's auto_failover is off, as it was before"));
  });
}

// What was kept goes last: whoever dies in between is asked again, and finds it.
void NameserverSwitch::released(bool steers, const std::string& text, const Done& done) {
  ours_.end_release(
      false, lifetime_.guard([this, steers, text, done](bool ok, const std::string& why) {
        if (ok && steers) {
          session_.multi({leadership_.epoch_check(), Op::remove(paths_.nameserver_switch(), -1)},
                         [](Code, const std::vector<OpResult>&) {});
        }
        if (ok || steers) return done(true, text);
        done(false, text + ", and that could not be written: " + why);
      }));
}

std::string NameserverSwitch::half_released() const {
  if (!ours_.was_before_release() || it_steers()) return "";
  return "release is half done: nobody steers; repeat `failoverctl release`, or `failoverctl "
         "confset auto_failover true` takes it back";
}

// Somebody has switched it on, or it did so and its answer was lost.
void NameserverSwitch::look() {
  if (!leadership_.gained() || !ours_.was_before_release() || !it_steers()) return;
  released(true, "", [](bool, const std::string&) {});
}

void NameserverSwitch::raise_terms(core::Term held, const Done& done) {
  if (!nameserver_.leads() || nameserver_.said().auto_failover) return done(true, "");
  metadata_.raise_terms(held, [done](bool ok) {
    done(ok, ok ? "" : "table/term could not be raised to the terms that were given out");
  });
}

void NameserverSwitch::why_not_to_release(core::Term held, std::function<void(std::string)> done) {
  if (!nameserver_.leads() || it_steers()) return done("");
  terms_.look(we_reserve(), [this, held, done = std::move(done)](bool read) {
    if (!read) return done("ZooKeeper has not answered what nameservers there are");
    if (terms_.knows(held)) return done("");
    done("nameserver " + nameserver_.endpoint() +
         " counts terms in its memory, and replicas may hold higher ones that were given out since "
         "it leads: its elections would fail. Restart it first (or let another one lead), then "
         "release again");
  });
}

}  // namespace failoverd::fedb
