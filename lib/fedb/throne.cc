#include "lib/fedb/throne.h"

#include <charconv>
#include <utility>

#include "lib/base/boot_clock.h"
#include "proto/journal.pb.h"

namespace failoverd::fedb {
namespace {

using zookeeper::Code;
using zookeeper::Op;
using zookeeper::Stat;

constexpr auto kTryAgain = std::chrono::milliseconds{100};
constexpr std::uint32_t kRecordVersion = 1;

std::int64_t number_in(const std::string& text) {
  std::int64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

}  // namespace

Throne::Throne(boost::asio::io_context& io, zookeeper::Session& session, Paths paths,
               std::string me, Tell tell)
    : io_(io),
      session_(session),
      paths_(std::move(paths)),
      tell_(std::move(tell)),
      lock_(io, session, paths_.lock(), std::move(me)),
      contact_timer_(io) {
  lock_.on_gained = [this] { begin(); };
  lock_.on_lost = [this] { lose("the lock's znode is gone"); };
}

Throne::~Throne() { *alive_ = false; }

void Throne::session_changed(zookeeper::SessionState state, bool new_session) {
  if (state == zookeeper::SessionState::kExpired) lose("the ZooKeeper session expired");
  lock_.session_changed(state, new_session);
  if (state == zookeeper::SessionState::kConnected) keep_contact();
}

void Throne::begin() { make_ready(++reign_); }

void Throne::again(std::uint64_t reign) {
  auto timer = std::make_shared<boost::asio::steady_timer>(io_, kTryAgain);
  timer->async_wait(guarded([this, reign, timer](const boost::system::error_code&) {
    if (reign == reign_ && lock_.held() && !gained_) make_ready(reign);
  }));
}

void Throne::make_ready(std::uint64_t reign) {
  session_.ensure_path(paths_.elections(), guarded([this, reign](Code code) {
                         if (reign != reign_) return;
                         if (code != Code::kOk) return again(reign);
                         session_.ensure_path(paths_.epoch(), guarded([this, reign](Code c) {
                                                if (reign != reign_) return;
                                                if (c != Code::kOk) return again(reign);
                                                raise_epoch(reign);
                                              }));
                       }));
}

void Throne::raise_epoch(std::uint64_t reign) {
  session_.get(paths_.epoch(),
               guarded([this, reign](Code code, const std::string& value, const Stat& stat) {
                 if (reign != reign_) return;
                 if (code != Code::kOk) return again(reign);
                 const std::int64_t next = number_in(value) + 1;
                 session_.set(paths_.epoch(), std::to_string(next), stat.version,
                              guarded([this, reign, next](Code c, const Stat& s) {
                                if (reign != reign_) return;
                                if (c != Code::kOk) return again(reign);
                                epoch_ = next;
                                epoch_version_ = s.version;
                                read_records(reign);
                              }));
               }));
}

void Throne::read_records(std::uint64_t reign) {
  records_.clear();
  session_.children(
      paths_.elections(),
      guarded([this, reign](Code code, const std::vector<std::string>& names, const Stat&) {
        if (reign != reign_) return;
        if (code != Code::kOk) return again(reign);
        records_open_ = names.size();
        if (names.empty()) all_read(reign);
        for (const std::string& name : names) {
          session_.get(paths_.elections() + "/" + name,
                       guarded([this, reign, name](Code c, const std::string& value, const Stat&) {
                         record_read(reign, name, c, value);
                       }));
        }
      }));
}

void Throne::record_read(std::uint64_t reign, const std::string& name, Code code,
                         const std::string& value) {
  if (reign != reign_) return;
  if (code == Code::kOk) {
    auto record = record_from(name, value);
    if (record) {
      records_.push_back(std::move(*record));
    } else {
      complain(paths_.elections() + "/" + name + ": " + record.error().text + "; left alone");
    }
  } else if (code != Code::kNoNode) {
    ++reign_;
    again(reign_);
    return;
  }
  if (--records_open_ == 0) all_read(reign);
}

void Throne::all_read(std::uint64_t reign) {
  if (reign != reign_ || !lock_.held()) return;
  gained_ = true;
  keep_contact();
  tell_(core::LockGained{epoch_, std::exchange(records_, {})});
}

void Throne::lose(const std::string& why) {
  ++reign_;
  fresh_until_ = {};
  if (std::exchange(gained_, false)) tell_(core::LockLost{why});
}

void Throne::epoch_is_not_ours() {
  if (!gained_) return;
  lose("the epoch is not ours any more");
  // We hold the lock all the same: nobody else can act, so a new epoch is ours to write.
  if (lock_.held()) again(reign_);
}

void Throne::release(std::function<void()> done) {
  lose("this daemon is stopping");
  lock_.release(std::move(done));
}

bool Throne::may_change() const { return gained_ && boot_now() < fresh_until_; }

Op Throne::epoch_check() const { return Op::check(paths_.epoch(), epoch_version_); }

// A server that was cut off from its leader goes on answering reads, longer than a session lives at
// the leader; a sync is answered only with the leader's help.
void Throne::keep_contact() {
  if (!gained_) return;
  const Instant sent = boot_now();
  session_.sync(paths_.epoch(), guarded([this, sent, reign = reign_](Code code) {
                  if (reign == reign_ && code == Code::kOk) look_at_epoch(sent);
                }));
  const Duration session = session_.negotiated_timeout();
  contact_timer_.expires_after(std::max<Duration>(session / 6, std::chrono::milliseconds{20}));
  contact_timer_.async_wait(guarded([this](const boost::system::error_code& e) {
    if (!e) keep_contact();
  }));
}

// Our own read, counted from when it was sent: 2/3 of the negotiated session timeout (SAFETY 14).
void Throne::look_at_epoch(Instant sent) {
  const Duration session = session_.negotiated_timeout();
  session_.get(paths_.epoch(), guarded([this, sent, session, reign = reign_](
                                           Code code, const std::string&, const Stat& stat) {
                 if (reign != reign_) return;
                 if (code == Code::kNoNode) return epoch_is_not_ours();
                 if (code != Code::kOk) return;
                 if (stat.version != epoch_version_) return epoch_is_not_ours();
                 fresh_until_ = std::max(fresh_until_, sent + session * 2 / 3);
                 tell_(core::ContactMade{fresh_until_});
               }));
}

std::string to_bytes(const core::ElectionRecord& record) {
  journal::ElectionRecord m;
  m.set_version(kRecordVersion);
  for (const core::BegunElection& b : record.elections) {
    auto* to = m.add_elections();
    to->set_tid(b.at.tid);
    to->set_pid(b.at.pid);
    to->set_probe_term(b.probe_term);
    for (const core::MayLead& l : b.may_lead) {
      auto* leader = to->add_may_lead();
      leader->set_endpoint(l.endpoint);
      leader->set_term(l.term);
      leader->set_offset(l.offset);
    }
  }
  return m.SerializeAsString();
}

Result<core::ElectionRecord> record_from(const std::string& name, const std::string& bytes) {
  journal::ElectionRecord m;
  if (!m.ParseFromString(bytes)) return Failure{"is no election record: it does not parse"};
  if (m.version() != kRecordVersion) {
    return Failure{"has version " + std::to_string(m.version()) + "; this failoverd reads " +
                   std::to_string(kRecordVersion)};
  }
  core::ElectionRecord record;
  record.name = name;
  for (const auto& b : m.elections()) {
    core::BegunElection& to = record.elections.emplace_back();
    to.at = {b.tid(), b.pid()};
    to.probe_term = b.probe_term();
    for (const auto& l : b.may_lead()) to.may_lead.push_back({l.endpoint(), l.term(), l.offset()});
  }
  return record;
}

}  // namespace failoverd::fedb
