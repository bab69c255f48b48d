#include "lib/zookeeper/session.h"

#include "lib/zookeeper/session_core.h"

namespace failoverd::zookeeper {

struct Session::State : SessionCore {
  using SessionCore::SessionCore;
};

Session::Session(boost::asio::io_context& io, Options options)
    : state_(std::make_shared<State>(io, std::move(options), this)) {}

Session::~Session() {
  state_->disown();
  state_->close();
}

void Session::start() { state_->start(); }
void Session::close() { state_->close(); }

bool Session::authenticates() const { return state_->authenticates(); }
void Session::send_up_to(std::size_t bytes) { state_->send_up_to(bytes); }
std::size_t Session::longest_request() const { return state_->longest_request(); }
std::size_t Session::most_watched_bytes() const { return state_->most_watched_bytes(); }

SessionState Session::state() const { return state_->state(); }
Duration Session::negotiated_timeout() const { return state_->negotiated_timeout(); }
std::int64_t Session::session_id() const { return state_->session_id(); }

void Session::get(const std::string& path, Get done, Watch watch) {
  state_->get(path, std::move(done), std::move(watch));
}

void Session::children(const std::string& path, Children done, Watch watch) {
  state_->children(path, std::move(done), std::move(watch));
}

void Session::exists(const std::string& path, Exists done, Watch watch) {
  state_->exists(path, std::move(done), std::move(watch));
}

void Session::acl(const std::string& path, Acls done) { state_->acl(path, std::move(done)); }

void Session::create(const std::string& path, std::string value, bool ephemeral, bool sequential,
                     Created done) {
  state_->create(path, std::move(value), ephemeral, sequential, std::move(done));
}

void Session::set(const std::string& path, std::string value, std::int32_t version, SetDone done) {
  state_->set(path, std::move(value), version, std::move(done));
}

void Session::remove(const std::string& path, std::int32_t version, Done done) {
  state_->remove(path, version, std::move(done));
}

void Session::multi(std::vector<Op> ops, MultiDone done) {
  state_->multi(std::move(ops), std::move(done));
}

void Session::ensure_path(const std::string& path, Done done, MayCreate may_create) {
  state_->ensure_path(path, std::move(done), std::move(may_create));
}

void Session::sync(const std::string& path, Done done) { state_->sync(path, std::move(done)); }

}  // namespace failoverd::zookeeper
