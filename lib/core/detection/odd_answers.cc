// The part of the monitor that looks at what came instead of an answer.
#include "lib/core/api/timing.h"
#include "lib/core/detection/detector.h"
#include "lib/core/detection/tablet_monitor.h"

namespace failoverd::core {
namespace {

constexpr std::size_t kMostWords = 200;  // Of what came instead of an answer.

// What to tell people: "sent no baidu_std frame: ...", "code 307: ...".
std::string words_of(const Answer& answer, const Endpoint& from) {
  std::string_view text = answer.text;
  const std::string prefix = from + ": ";
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  const std::string code = answer.answered() ? "code " + std::to_string(answer.code) + ": " : "";
  return code + std::string{text.substr(0, kMostWords)};
}

// The same fault has the same words up to its first figure: what follows may change all the time.
std::string kind_of(const std::string& words) {
  return words.substr(0, words.find_first_of("0123456789"));
}

}  // namespace

void TabletMonitor::look_at_what_came(TabletIndex i, const Answer& answer, Instant asked_at) {
  if (answer.transport == Transport::kNotSent) return;
  Tablet& t = model_.tablet(i);
  Evidence& e = t.evidence;
  Asking& a = asking(i);
  const bool refused = answer.transport == Transport::kRefused;
  const bool broken = answer.transport == Transport::kBroken;
  const bool garbled = answer.transport == Transport::kGarbled;
  if (broken || garbled) {
    ++a.broken;
    look_quickly(i);
  } else if (!refused) {
    a.broken = 0;
  }
  // Its port was asked after it had refused, and did not refuse.
  if (!refused && e.refused_last && asked_at > *e.refused_last) forget_refusals(i);
  if (!answer.ok() || !e.came_instead.empty()) to_judge_.insert(i);
  e.nowhere = answer.transport == Transport::kNowhere;
  const bool is_error = answer.answered() && !answer.ok();
  e.came_instead = broken || garbled || is_error ? words_of(answer, t.endpoint) : "";
  if (answer.ok()) a.told.clear();
  // One that ends closes its connections, too: that is no news until it goes on.
  if (garbled || is_error || (broken && a.broken >= kQuickLooks)) tell_what_came(i);
}

// After that it is asked when everybody is: a port that belongs to something else is left in peace.
void TabletMonitor::look_quickly(TabletIndex i) {
  const int times = asking(i).broken;
  if (times < kQuickLooks) check_later(i, times == 1 ? kEndingTakes : kSecondRefusalAfter);
}

void TabletMonitor::tell_what_came(TabletIndex i) {
  const Tablet& t = model_.tablet(i);
  if (!asking(i).told.insert(kind_of(t.evidence.came_instead)).second) return;
  outbox_.note(Severity::kWarning, "tablet",
               "tablet " + t.endpoint + " does not say what it holds: " + t.evidence.came_instead,
               {{"tablet", t.endpoint}});
}

}  // namespace failoverd::core
