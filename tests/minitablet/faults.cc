#include "tests/minitablet/faults.h"

#include <charconv>
#include <chrono>
#include <sstream>
#include <utility>
#include <vector>

namespace failoverd::minitablet {
namespace {

bool matches(const control::Match& match, const Faults::Where& where) {
  if (match.has_method() && match.method() != "*" && match.method() != where.method) return false;
  if (match.has_tid() && match.tid() != where.tid) return false;
  return !match.has_pid() || match.pid() == where.pid;
}

bool is_for(const std::string& method, const std::string& of_rule) {
  return method.empty() || method == "*" || method == of_rule;
}

// Counts a rule that is for so many calls down; true if it is used up.
template <class Rule>
bool used_up(Rule& rule) {
  if (rule.calls() == 0) return false;
  rule.set_calls(rule.calls() - 1);
  return rule.calls() == 0;
}

bool parse(const std::string& text, std::uint32_t& number) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  return error == std::errc{} && at == end;
}

// One rule; false if it is not one.
bool parse(std::istringstream rule, control::HangRequest& hang) {
  std::string method, stage, pid, skip;
  std::getline(rule, method, ':');
  std::getline(rule, stage, ':');
  hang.mutable_match()->set_method(method);
  if (stage == "before") {
    hang.set_stage(control::kBefore);
  } else if (stage == "inside") {
    hang.set_stage(control::kInside);
  } else if (stage == "after") {
    hang.set_stage(control::kAfter);
  } else if (stage == "queued") {
    hang.set_stage(control::kQueued);
  } else {
    return false;
  }
  std::uint32_t number = 0;
  if (std::getline(rule, pid, ':')) {
    if (!parse(pid, number)) return false;
    hang.mutable_match()->set_pid(number);
  }
  if (std::getline(rule, skip)) {
    if (!parse(skip, number)) return false;
    hang.set_skip(number);
  }
  return !method.empty();
}

}  // namespace

Result<std::vector<control::HangRequest>> parse_hangs(const std::string& text) {
  std::vector<control::HangRequest> hangs;
  std::istringstream rules{text};
  for (std::string rule; std::getline(rules, rule, ',');) {
    if (!parse(std::istringstream{rule}, hangs.emplace_back())) {
      return Failure{"--hang=" + text +
                     ": METHOD:before|inside|after|queued[:PID[:SKIP]],... "
                     "is wanted"};
    }
  }
  return hangs;
}

void Faults::hang(const control::HangRequest& request) { hangs_.push_back(request); }
void Faults::fail(const control::FailRequest& request) { fails_.push_back(request); }

void Faults::clear() {
  hangs_.clear();
  fails_.clear();
  held_.clear();
}

void Faults::release(const std::string& method) {
  hangs_.remove_if([&](const auto& rule) { return is_for(method, rule.match().method()); });
  fails_.remove_if([&](const auto& rule) { return is_for(method, rule.match().method()); });
  std::vector<Held> free;
  for (auto at = held_.begin(); at != held_.end();) {
    if (is_for(method, at->second.where.method)) {
      free.push_back(std::move(at->second));
      at = held_.erase(at);
    } else {
      ++at;
    }
  }
  for (Held& held : free) held.go_on();
}

void Faults::pass(const Where& where, control::Stage stage, std::function<void()> go_on) {
  for (auto rule = hangs_.begin(); rule != hangs_.end(); ++rule) {
    if (rule->stage() != stage || !matches(rule->match(), where)) continue;
    if (rule->skip() > 0) {
      rule->set_skip(rule->skip() - 1);
      continue;
    }
    const std::chrono::milliseconds time{rule->milliseconds()};
    if (used_up(*rule)) hangs_.erase(rule);
    const std::uint64_t id = next_id_++;
    Held& held = held_[id];
    held.where = where;
    held.stage = stage;
    held.go_on = std::move(go_on);
    if (time.count() == 0) return;
    held.timer = std::make_unique<boost::asio::steady_timer>(io_, time);
    held.timer->async_wait([this, id](const boost::system::error_code& error) {
      if (error) return;
      const auto at = held_.find(id);
      if (at == held_.end()) return;  // Released or cleared meanwhile.
      const std::function<void()> next = std::move(at->second.go_on);
      held_.erase(at);
      next();
    });
    return;
  }
  go_on();
}

void Faults::tell(google::protobuf::RepeatedPtrField<control::HeldCall>& held) const {
  for (const auto& [id, h] : held_) {
    control::HeldCall& call = *held.Add();
    call.set_method(h.where.method);
    call.set_tid(h.where.tid);
    call.set_pid(h.where.pid);
    call.set_stage(h.stage);
  }
}

std::optional<control::FailRequest> Faults::failure(const Where& where) {
  for (auto rule = fails_.begin(); rule != fails_.end(); ++rule) {
    if (!matches(rule->match(), where)) continue;
    const control::FailRequest failure = *rule;
    if (used_up(*rule)) fails_.erase(rule);
    return failure;
  }
  return std::nullopt;
}

}  // namespace failoverd::minitablet
