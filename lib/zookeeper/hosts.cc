#include "lib/zookeeper/hosts.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>

#include "lib/base/name_lookup.h"

namespace failoverd::zookeeper {
namespace {

bool is_address(const std::string& name) {
  boost::system::error_code error;
  boost::asio::ip::make_address(name, error);
  return !error;
}

bool is_port(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value > 0 && value < 65'536;
}

Result<Host> parse_host(std::string_view text) {
  const auto refuse = [&text](const char* why) {
    return Failure{"ZooKeeper server \"" + std::string{text} + "\" " + why};
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !is_port(text.substr(colon + 1))) {
    return refuse("has no port from 1 to 65535 after its last colon, as in host:2181");
  }
  std::string_view name = text.substr(0, colon);
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  if (name.empty() || name.find_first_of(" \t[]/") != std::string_view::npos) {
    return refuse("has no host name or address before its port");
  }
  return Host{std::string{name}, std::string{text.substr(colon + 1)}};
}

}  // namespace

Result<std::vector<Host>> parse_hosts(std::string_view list) {
  if (list.find('/') != std::string_view::npos) {
    return Failure{"ZooKeeper servers \"" + std::string{list} +
                   "\" hold a path; the cluster's root is a setting of its own"};
  }
  std::vector<Host> hosts;
  for (std::size_t from = 0; from <= list.size();) {
    const std::size_t to = std::min(list.find(',', from), list.size());
    Result<Host> host = parse_host(list.substr(from, to - from));
    if (!host) return host.error();
    hosts.push_back(std::move(*host));
    from = to + 1;
  }
  return hosts;
}

bool are_addresses(const std::vector<Host>& hosts) {
  return std::ranges::all_of(hosts, [](const Host& host) { return is_address(host.name); });
}

std::string to_client_list(const std::vector<Host>& hosts) {
  std::vector<std::string> all;
  all.reserve(hosts.size());
  for (const Host& host : hosts) all.push_back(host.name + ":" + host.port);
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  std::string list;
  for (const std::string& one : all) list += (list.empty() ? "" : ",") + one;
  return list;
}

struct HostLookup::Round {
  std::size_t waiting = 0;
  std::vector<Host> found;
  Done done;  // Empty once called or cancelled.
};

HostLookup::HostLookup(boost::asio::io_context& io) : io_(io) {}

HostLookup::~HostLookup() {
  if (round_) round_->done = nullptr;
}

bool HostLookup::under_way() const { return round_ && round_->done; }

void HostLookup::start(const std::vector<Host>& hosts, Done done) {
  if (round_) round_->done = nullptr;
  round_ = std::make_shared<Round>();
  round_->waiting = hosts.size();
  round_->done = std::move(done);
  for (const Host& host : hosts) {
    NameLookup::of(io_).look_up(
        host.name, NameLookup::Lane::kOne,
        [round = round_, port = host.port](const Result<NameLookup::Addresses>& found) {
          if (found) {
            for (const auto& address : *found) round->found.push_back({address.to_string(), port});
          }
          if (--round->waiting > 0 || !round->done) return;
          std::exchange(round->done, nullptr)(std::move(round->found));
        });
  }
}

}  // namespace failoverd::zookeeper
