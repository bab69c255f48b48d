#include "daemon/ctl/servers.h"

#include <utility>

namespace failoverd::ctl {

Servers::Servers(std::vector<Url> urls, std::string token, std::string who)
    : urls_(std::move(urls)), token_(std::move(token)), who_(std::move(who)) {}

Result<Url> Servers::choose() {
  if (urls_.size() == 1) return urls_.front();
  if (chosen_) return *chosen_;
  const auto answers = http_call_all(urls_, {"GET", "/readyz", "", {}}, kDeadline);
  std::string failures;
  std::optional<Url> named;
  std::optional<Url> standby;
  for (const auto& answer : answers) {
    if (!answer) {
      failures += (failures.empty() ? "" : "; ") + answer.error().text;
      continue;
    }
    if (answer->role == "active") return *(chosen_ = answer->from);
    if (!named) named = other_active(*answer);
    // One that is ready knows the cluster; one that is not is better than none.
    if (!standby || answer->status == 200) standby = answer->from;
  }
  if (!standby) return Failure{failures};
  chosen_ = standby;
  if (named) {
    const auto answer = http_call(*named, {"GET", "/readyz", "", {}}, kDeadline);
    if (answer && answer->role == "active") chosen_ = named;
  }
  return *chosen_;
}

Result<Answer> Servers::get_here(const std::string& path) {
  const auto url = choose();
  if (!url) return url.error();
  return http_call(*url, {"GET", path, "", {}}, kDeadline);
}

Result<Answer> Servers::get(const std::string& path) {
  auto answer = get_here(path);
  if (!answer) return answer;
  const auto active = other_active(*answer);
  if (!active) return answer;
  auto better = http_call(*active, {"GET", path, "", {}}, kDeadline);
  // Its address may be one that only its own host can reach; then the standby's view has to do.
  return better && better->role == "active" ? better : answer;
}

Result<Answer> Servers::post(const std::string& path, const std::string& body) {
  const auto url = choose();
  if (!url) return url.error();
  Call call{"POST", path, body, {{"Failoverd-Who", who_}}};
  if (!token_.empty()) call.headers.emplace_back("Authorization", "Bearer " + token_);
  auto answer = http_call(*url, call, kDeadline);
  if (!answer || answer->status != 503) return answer;
  const auto active = other_active(*answer);
  return active ? http_call(*active, call, kDeadline) : answer;
}

// The active daemon's address, if this answer is a standby's and names another one.
std::optional<Url> Servers::other_active(const Answer& answer) const {
  if (answer.role != "standby" || answer.active.empty()) return std::nullopt;
  const auto url = parse_url(answer.active);
  if (!url || *url == answer.from) return std::nullopt;
  return *url;
}

}  // namespace failoverd::ctl
