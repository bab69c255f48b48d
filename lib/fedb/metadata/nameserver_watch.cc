#include "lib/fedb/metadata/nameserver_watch.h"

#include <algorithm>
#include <utility>

#include "proto/nameserver.pb.h"

namespace failoverd::fedb {
namespace {

namespace wire = ::failoverd::fedb;
using core::NameserverAnswered;
using State = NameserverAnswered::State;
using zookeeper::Code;
using zookeeper::Stat;

// Its switch may be turned by anybody: noticed within two seconds.
constexpr Duration kLookWhileItLeads = std::chrono::seconds{1};
// Who does not lead yet is waited for.
constexpr Duration kLookAgain = std::chrono::milliseconds{100};
constexpr Duration kDeadline = std::chrono::seconds{1};
constexpr Duration kReadAgain = std::chrono::milliseconds{100};
// What ran when it was switched off so long ago has ended: what runs is ordered by somebody, and
// nothing but its own partition waits for it.
constexpr std::int64_t kLongOffMs = 10 * 60 * 1000;

constexpr const char* kSwitch = "auto_failover";

std::optional<bool> switch_in(const std::string& value) {
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
}

bool runs(const wire::OPStatus& op) { return op.status() == "kInited" || op.status() == "kDoing"; }

}  // namespace

NameserverWatch::NameserverWatch(Loop& loop, zookeeper::Client& session, Paths paths,
                                 NameserverCalls& calls, const ServerNames& names, Tell tell)
    : loop_(loop),
      session_(session),
      paths_(std::move(paths)),
      calls_(calls),
      names_(names),
      tell_(std::move(tell)),
      again_(loop) {}

void NameserverWatch::connected(bool new_session) {
  if (new_session) {
    switch_watched_ = switch_read_ = false;
    said_ = {};
    told_ = false;
    if (is_there()) look();
  }
  if (!switch_watched_) read_switch();
}

// --- config/auto_failover ------------------------------------------------------------------------

// A nameserver writes it before it heeds it.
void NameserverWatch::read_switch() {
  switch_watched_ = true;
  const std::string path = paths_.at("config/auto_failover");
  const auto fired = lifetime_.guard([this] {
    switch_watched_ = false;
    read_switch();
  });
  session_.get(
      path,
      lifetime_.guard([this, path, fired](Code code, const std::string& value, const Stat& stat) {
        if (code == Code::kNoNode) {
          session_.exists(
              path, [](Code, const Stat&) {}, fired);
        } else if (code != Code::kOk) {
          switch_watched_ = false;
          if (code == Code::kExpired) return;
          loop_.after(kReadAgain, lifetime_.guard([this] {
            if (!switch_watched_) read_switch();
          }));
          return;
        }
        switch_in_zookeeper_ = code == Code::kOk ? switch_in(value) : std::nullopt;
        switch_read_ = true;
        const bool is_long_off =
            switch_in_zookeeper_ == false && loop_.wall_now_ms() - stat.mtime_ms > kLongOffMs;
        if (is_long_off && !has_steered_) idle_looks_ = kIdleLooks;
        if (is_there()) look();
      }),
      fired);
}

// --- Who it is -----------------------------------------------------------------------------------

void NameserverWatch::listed(const core::NameserversListed& e) {
  const std::string leading = e.endpoints.empty() ? "" : e.endpoints.front();
  // Where none is there no op of one runs; what the next one begins anew stands in op/op_data.
  if (leading.empty() && !has_steered_) idle_looks_ = kIdleLooks;
  if (std::exchange(endpoint_, leading) == leading) return;
  ++round_;
  again_.cancel();
  said_ = {};
  told_ = false;
  if (!is_there()) return;
  // Nobody waits for one that follows another whose ops we knew; nor for one that will steer.
  const bool steers = switch_in_zookeeper_.value_or(true);
  if (switch_read_ && (steers || idle_looks_ >= kIdleLooks)) does_not_lead(State::kSilent);
  look();
}

// Then what it will do when it leads is what its znode says.
void NameserverWatch::does_not_lead(State state) {
  // One that cannot be asked at all may do anything.
  const bool steers = switch_in_zookeeper_.value_or(true) || !names_.address_of(endpoint_);
  if (steers) it_steers();
  // Of one that nobody has seen steering ops are waited for once it can be asked for them.
  says({endpoint_, state, steers, !steers && has_steered_ && idle_looks_ < kIdleLooks, {}});
}

void NameserverWatch::it_steers() {
  has_steered_ = true;
  idle_looks_ = 0;
}

void NameserverWatch::heard(std::int32_t code) {
  const bool leads_not = code == kNotLeader && said_.state == State::kLeads;
  const bool steers = code == kAutoFailoverIsOn && !said_.auto_failover;
  if (is_there() && (leads_not || steers) && !asking_) look();
}

// --- What it says --------------------------------------------------------------------------------

void NameserverWatch::look_later(Duration pause) {
  again_.set(pause, [this] { look(); });
}

void NameserverWatch::look() {
  const std::uint64_t round = ++round_;
  again_.cancel();
  asking_ = true;
  // One that is busy with what we have sent is not silent.
  const Duration deadline = leads() ? 3 * kDeadline : kDeadline;
  calls_.call(endpoint_, "ConfGet", wire::ConfGetRequest{}.SerializeAsString(), deadline,
              lifetime_.guard([this, round](const NameserverReply& reply) {
                if (round != round_) return;
                asking_ = false;
                conf_answered(round, reply);
              }));
}

void NameserverWatch::conf_answered(std::uint64_t round, const NameserverReply& reply) {
  wire::ConfGetResponse response;
  if (!read(reply, response)) {
    if (switch_read_) does_not_lead(State::kSilent);
    return look_later(kLookAgain);
  }
  if (response.code() != 0) {
    if (switch_read_) does_not_lead(State::kStarting);
    return look_later(kLookAgain);
  }
  NameserverAnswered now = said_;
  now.endpoint = endpoint_;
  now.state = State::kLeads;
  now.auto_failover = true;
  for (const auto& conf : response.conf()) {
    if (conf.key() == kSwitch) now.auto_failover = switch_in(conf.value()).value_or(true);
  }
  if (now.auto_failover) {
    now.drains = true;  // When it is switched off.
    now.running.clear();
    it_steers();
    says(std::move(now));
    return look_later(kLookWhileItLeads);
  }
  if (idle_looks_ >= kIdleLooks) {
    now.drains = false;
    says(std::move(now));
    return look_later(kLookWhileItLeads);
  }
  ask_ops(round, std::move(now));
}

void NameserverWatch::ask_ops(std::uint64_t round, NameserverAnswered now) {
  calls_.call(endpoint_, "ShowOPStatus", wire::ShowOPStatusRequest{}.SerializeAsString(), kDeadline,
              lifetime_.guard([this, round, now = std::move(now)](const NameserverReply& reply) {
                if (round == round_) ops_answered(reply, now);
              }));
}

void NameserverWatch::ops_answered(const NameserverReply& reply, NameserverAnswered now) {
  wire::ShowOPStatusResponse response;
  if (!read(reply, response) || response.code() != 0) {
    return look_later(kLookAgain);
  }
  now.drains = true;
  const auto& ops = response.op_status();
  const auto running = std::find_if(ops.begin(), ops.end(), runs);
  if (running != ops.end()) {
    idle_looks_ = 0;
    now.running = std::to_string(running->op_id()) + " " + running->op_type() + " " +
                  (running->db().empty() ? "" : running->db() + ".") + running->name() + "/" +
                  std::to_string(running->pid());
  } else if (++idle_looks_ >= kIdleLooks) {
    now.drains = false;
    now.running.clear();
  }
  says(std::move(now));
  look_later(idle_looks_ >= kIdleLooks ? kLookWhileItLeads : kLookAgain);
}

void NameserverWatch::says(NameserverAnswered now) {
  if (told_ && now == said_) return;
  const bool led = told_ && said_.state == State::kLeads;
  told_ = true;
  said_ = now;
  tell_(std::move(now));
  if (!led && leads()) on_leads();
}

// --- Its switch ----------------------------------------------------------------------------------

void NameserverWatch::set_auto_failover(bool on, std::function<void(Set, std::string)> done) {
  if (!is_there()) {
    loop_.post([done] { done(Set::kNotDone, "no nameserver is there"); });
    return;
  }
  wire::ConfSetRequest request;
  request.mutable_conf()->set_key(kSwitch);
  request.mutable_conf()->set_value(on ? "true" : "false");
  calls_.call(endpoint_, "ConfSet", request.SerializeAsString(), 5 * kDeadline,
              lifetime_.guard([this, asked = endpoint_, done](const NameserverReply& reply) {
                wire::NameServerResponse response;
                if (is_there()) look();
                if (!read(reply, response)) {
                  const bool may_be_done = reply.sent || reply.answered;
                  return done(may_be_done ? Set::kUnknown : Set::kNotDone,
                              "nameserver " + asked + " has not answered: " + reply.text);
                }
                if (response.code() == 0) return done(Set::kDone, "");
                done(Set::kNotDone, code_text(asked, response.code(), response.msg()));
              }));
}

}  // namespace failoverd::fedb
