#include "daemon/ctl/servers.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/host_name.hpp>
#include <utility>

namespace failoverd::ctl {
namespace {

const Call kReadiness{"GET", "/readyz", "", {}};

bool is_loopback(const std::string& host) {
  boost::system::error_code error;
  const auto ip = boost::asio::ip::make_address(host, error);
  return host == "localhost" || (!error && ip.is_loopback());
}

// Loopback leads to the active daemon from its own host only.
bool leads_to_active(const Url& url, const Answer& answer) {
  if (!is_loopback(url.host) || is_loopback(answer.from.host)) return true;
  boost::system::error_code error;
  const std::string& name = answer.active_name;
  return name.substr(0, name.rfind(':')) == boost::asio::ip::host_name(error);
}

// The active daemon's address, if this answer is a standby's and names another one.
std::optional<Url> other_active(const Answer& answer) {
  if (answer.role != "standby" || answer.active.empty()) return std::nullopt;
  const auto url = parse_url(answer.active);
  if (!url || *url == answer.from || !leads_to_active(*url, answer)) return std::nullopt;
  return *url;
}

// One that acts and is not ready may have been replaced without knowing; a standby that is ready
// knows the cluster.
int worth(const Answer& answer) {
  return (answer.role == "active" ? 2 : 0) + (answer.status == 200 ? 1 : 0);
}

// Nobody's answer is worth more.
bool acts(const Answer& answer) { return answer.role == "active" && answer.status == 200; }

std::string where_the_active_is(const Answer& answer) {
  if (answer.active_name.empty()) return "no active daemon is known";
  const std::string is = "the active daemon is " + answer.active_name;
  if (other_active(answer)) return is + ", which cannot be reached at " + answer.active;
  return is +
         ", which listens on loopback only there: run failoverctl on that host or set listen.http";
}

}  // namespace

Servers::Servers(std::vector<Url> urls, std::string token)
    : urls_(std::move(urls)), token_(std::move(token)) {}

Result<Answer> Servers::find_active() const {
  std::optional<Answer> best;
  std::string failures;
  std::vector<Url> named;
  const auto ask = [&](const std::vector<Url>& urls) {
    for (const auto& answer : http_call_all(urls, kReadiness, kDeadline, acts)) {
      if (!answer) {
        failures += (failures.empty() ? "" : "; ") + answer.error().text;
        continue;
      }
      if (!best || worth(*answer) > worth(*best)) best = *answer;
      if (const auto other = other_active(*answer)) named.push_back(*other);
    }
  };
  ask(urls_);
  if (!best) return Failure{failures};
  if (best->role != "active" && !named.empty()) ask(std::vector(named));
  return *best;
}

Result<Url> Servers::choose() {
  if (urls_.size() == 1) return urls_.front();
  if (chosen_) return *chosen_;
  const auto found = find_active();
  if (!found) return found.error();
  return *(chosen_ = found->from);
}

Result<Answer> Servers::get_here(const std::string& path) {
  const auto url = choose();
  if (!url) return url.error();
  return http_call(*url, {"GET", path, "", {}}, kDeadline);
}

std::vector<Result<Answer>> Servers::get_all(const std::string& path) const {
  const Call call{"GET", path, "", {}};
  auto answers = http_call_all(urls_, call, kDeadline);
  std::vector<Url> named;
  for (const auto& answer : answers) {
    const auto active = answer ? other_active(*answer) : std::nullopt;
    if (!active || std::count(urls_.begin(), urls_.end(), *active) > 0) continue;
    if (std::count(named.begin(), named.end(), *active) == 0) named.push_back(*active);
  }
  for (auto& answer : http_call_all(named, call, kDeadline)) answers.push_back(std::move(answer));
  return answers;
}

Result<Answer> Servers::get(const std::string& path) {
  auto answer = get_here(path);
  if (!answer) return answer;
  if (const auto active = other_active(*answer)) {
    auto better = http_call(*active, {"GET", path, "", {}}, kDeadline);
    if (better && better->role == "active") answer = std::move(better);
  }
  return with_all_pages(std::move(*answer));
}

Result<Answer> Servers::with_all_pages(Answer first) {
  Answer whole = std::move(first);
  while (whole.status == 200 && !whole.next.empty()) {
    auto page = http_call(whole.from, {"GET", whole.next, "", {}}, kDeadline);
    if (!page || page->status != 200) return page;
    if (page->next == whole.next) {
      return Failure{whole.from.address() + " gives the same page twice: " + whole.next};
    }
    append_page(whole.body, page->body);
    whole.next = page->next;
  }
  return whole;
}

Result<Answer> Servers::post(const std::string& path, const std::string& body) {
  const auto url = choose();
  if (!url) return url.error();
  Call call{"POST", path, body, {}};
  if (!token_.empty()) call.headers.emplace_back("Authorization", "Bearer " + token_);
  auto answer = http_call(*url, call, kDeadline);
  if (!answer || answer->status != 503 || answer->role != "standby") return answer;
  if (const auto active = other_active(*answer)) return http_call(*active, call, kDeadline);
  if (answer->active_name.empty()) return answer;
  return Failure{where_the_active_is(*answer)};
}

void append_page(std::string& list, std::string_view page) {
  constexpr std::string_view kWhite = " \t\r\n";
  constexpr auto kNowhere = std::string_view::npos;
  const auto begin = page.find('[');
  const auto end = page.rfind(']');
  const auto list_end = list.rfind(']');
  if (begin == kNowhere || end == kNowhere || list_end == kNowhere || end < begin) return;
  std::string_view rows = page.substr(begin + 1, end - begin - 1);
  const auto first = rows.find_first_not_of(kWhite);
  if (first == kNowhere) return;
  rows = rows.substr(first, rows.find_last_not_of(kWhite) + 1 - first);
  const auto last = list.find_last_not_of(kWhite, list_end - 1);
  list.resize(last + 1);
  list += list.ends_with('[') ? "\n  " : ",\n  ";
  list.append(rows).append("\n]\n");
}

std::string standbys_view(const Answer& answer) {
  if (answer.role != "standby") return "";
  return answer.from.address() +
         " is a standby and may not know all: " + where_the_active_is(answer);
}

}  // namespace failoverd::ctl
