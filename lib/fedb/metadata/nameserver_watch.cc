#include "lib/fedb/metadata/nameserver_watch.h"

#include <algorithm>
#include <utility>

#include "lib/rpc/endpoint.h"
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

constexpr std::int32_t kNotLeader = 300;
constexpr std::int32_t kAutoFailoverIsOn = 301;
constexpr const char* kSwitch = "auto_failover";

template <class Message>
bool read(Message& message, const std::string& bytes) {
  return message.ParsePartialFromString(bytes) && message.IsInitialized();
}

std::optional<bool> switch_in(const std::string& value) {
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
}

bool runs(const wire::OPStatus& op) { return op.status() == "kInited" || op.status() == "kDoing"; }

}  // namespace

NameserverWatch::NameserverWatch(Loop& loop, zookeeper::Client& session, Paths paths,
                                 NameserverCalls& calls, Tell tell)
    : loop_(loop),
      session_(session),
      paths_(std::move(paths)),
      calls_(calls),
      tell_(std::move(tell)),
      again_(loop) {}

void NameserverWatch::connected(bool new_session) {
  if (new_session) switch_watched_ = false;
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
      path, lifetime_.guard([this, path, fired](Code code, const std::string& value, const Stat&) {
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
        if (is_there()) look();
      }),
      fired);
}

// --- Who it is -----------------------------------------------------------------------------------

void NameserverWatch::listed(const core::NameserversListed& e) {
  const std::string leading = e.endpoints.empty() ? "" : e.endpoints.front();
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
  const bool steers = switch_in_zookeeper_.value_or(true) || !rpc::may_be_connected_to(endpoint_);
  if (steers) idle_looks_ = 0;
  says({endpoint_, state, steers, !steers && idle_looks_ < kIdleLooks, {}});
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
  if (!reply.answered || !read(response, reply.payload)) {
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
    idle_looks_ = 0;
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
  if (!reply.answered || !read(response, reply.payload) || response.code() != 0) {
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

void NameserverWatch::set_auto_failover(bool on, std::function<void(bool, std::string)> done) {
  if (!is_there()) {
    loop_.post([done] { done(false, "no nameserver is there"); });
    return;
  }
  wire::ConfSetRequest request;
  request.mutable_conf()->set_key(kSwitch);
  request.mutable_conf()->set_value(on ? "true" : "false");
  calls_.call(
      endpoint_, "ConfSet", request.SerializeAsString(), 5 * kDeadline,
      lifetime_.guard([this, done](const NameserverReply& reply) {
        wire::NameServerResponse response;
        if (is_there()) look();
        if (!reply.answered || !read(response, reply.payload)) {
          return done(false, "nameserver " + endpoint_ + " has not answered: " + reply.text);
        }
        done(response.code() == 0, response.code() == 0 ? ""
                                                        : "nameserver " + endpoint_ + " answers " +
                                                              std::to_string(response.code()) +
                                                              " " + response.msg());
      }));
}

}  // namespace failoverd::fedb
