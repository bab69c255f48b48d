#include "tests/minitablet/testkit/znodes.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "tests/harness/wait_until.h"

namespace failoverd::testkit {

using zookeeper::Code;
using zookeeper::SessionState;

namespace {

constexpr std::chrono::seconds kPatience{10};

zookeeper::Session::Options session_options(const std::string& hosts, const std::string& identity) {
  zookeeper::Session::Options options;
  options.hosts = hosts;
  options.digest_auth = identity;
  options.timeout = std::chrono::seconds{10};
  return options;
}

[[noreturn]] void give_up(const std::string& path, Code code) {
  throw std::runtime_error(path + ": " + to_text(code));
}

// Asks until it was answered for certain; what the session lost on its way is asked again.
template <class Ask>
Code insist(boost::asio::io_context& io, const Ask& ask) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    std::optional<Code> got;
    ask([&](Code code) { got = code; });
    harness::wait_until(
        io, [&] { return got.has_value(); }, std::chrono::hours{1}, "ZooKeeper answers");
    const bool lost = *got == Code::kUnknown || *got == Code::kExpired;
    if (!lost || std::chrono::steady_clock::now() > end) return *got;
  }
}

}  // namespace

Znodes::Znodes(boost::asio::io_context& io, const std::string& hosts, std::string root,
               const minitablet::Generation& generation, const std::string& identity)
    : io_{io},
      root_{std::move(root)},
      generation_{generation},
      session_{io, session_options(hosts, identity)} {
  session_.start();
  const bool there = harness::wait_until(
      io, [&] { return session_.state() == SessionState::kConnected; }, kPatience,
      "ZooKeeper is there");
  if (!there) throw std::runtime_error("no ZooKeeper at " + hosts);
}

std::optional<Znodes::Value> Znodes::get(const std::string& below) {
  Value value;
  const Code code = insist(io_, [&](auto done) {
    session_.get(path(below), [&value, done](Code answer, std::string bytes, zookeeper::Stat stat) {
      value = Value{std::move(bytes), stat.version, stat.ephemeral_owner};
      done(answer);
    });
  });
  if (code == Code::kNoNode) return std::nullopt;
  if (code != Code::kOk) give_up(path(below), code);
  return value;
}

std::map<std::string, std::string> Znodes::addresses() {
  std::map<std::string, std::string> all;
  for (const std::string& name : children("map/names")) all[name] = address_of(name);
  return all;
}

std::string Znodes::address_of(const std::string& server) {
  const auto value = get("map/names/" + server);
  return value ? value->bytes : server;
}

std::vector<std::string> Znodes::children(const std::string& below) {
  std::vector<std::string> names;
  const Code code = insist(io_, [&](auto done) {
    session_.children(path(below),
                      [&names, done](Code answer, std::vector<std::string> found, zookeeper::Stat) {
                        names = std::move(found);
                        done(answer);
                      });
  });
  if (code != Code::kOk && code != Code::kNoNode) give_up(path(below), code);
  std::sort(names.begin(), names.end());
  return names;
}

void Znodes::create(const std::string& below, const std::string& value) {
  const std::string whole = path(below);
  const auto insist_ok = [&](const auto& ask) {
    const Code code = insist(io_, ask);
    if (code != Code::kOk && code != Code::kNodeExists) give_up(whole, code);
  };
  insist_ok([&](auto done) { session_.ensure_path(whole.substr(0, whole.rfind('/')), done); });
  insist_ok([&](auto done) {
    session_.create(whole, value, false, false,
                    [done](Code code, const std::string&) { done(code); });
  });
}

void Znodes::set(const std::string& below, const std::string& value, std::int32_t version) {
  const Code code = insist(io_, [&](auto done) {
    session_.set(path(below), value, version,
                 [done](Code answer, zookeeper::Stat) { done(answer); });
  });
  if (code != Code::kOk) give_up(path(below), code);
}

void Znodes::remove(const std::string& below) {
  const Code code = insist(io_, [&](auto done) { session_.remove(path(below), -1, done); });
  if (code != Code::kOk && code != Code::kNoNode) give_up(path(below), code);
}

Code Znodes::multi(std::vector<zookeeper::Op> ops) {
  std::optional<Code> got;
  session_.multi(std::move(ops),
                 [&](Code code, const std::vector<zookeeper::OpResult>&) { got = code; });
  harness::wait_until(
      io_, [&] { return got.has_value(); }, std::chrono::hours{1}, "ZooKeeper answers");
  return *got;
}

std::optional<fedb::TableInfo> Znodes::read_table(const std::string& below) {
  const auto value = get(below);
  fedb::TableInfo info;
  if (!value || !minitablet::parse_partial(value->bytes, generation_, info)) return std::nullopt;
  if (!info.IsInitialized()) return std::nullopt;
  return info;
}

std::optional<fedb::TableInfo> Znodes::table(const std::string& name) {
  if (auto info = read_table(kTableParents[0] + ("/" + name))) return info;
  for (fedb::TableInfo& info : tables()) {
    if (!info.db().empty() && info.name() == name) return std::move(info);
  }
  return std::nullopt;
}

std::vector<fedb::TableInfo> Znodes::tables() {
  std::vector<fedb::TableInfo> all;
  for (const std::string parent : kTableParents) {
    for (const std::string& name : children(parent)) {
      if (auto info = read_table(parent + "/" + name)) all.push_back(std::move(*info));
    }
  }
  return all;
}

std::vector<std::string> Znodes::tablets() {
  std::vector<std::string> endpoints = children("nodes");
  std::erase_if(endpoints, [](const std::string& name) { return name.starts_with("NLTABLET_"); });
  return endpoints;
}

}  // namespace failoverd::testkit
