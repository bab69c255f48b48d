// Asks tablets what they hold when somebody wants to see it now: each tablet once for everybody who
// waits, and never more than one such question at a time. What the tablets answer is evidence like
// the answer to any poll; whoever asked is shown the model when all have answered, or after
// kShowAtMost with what is known by then. Owned by the brain; runs only while it is active.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "lib/core/api/asker.h"
#include "lib/core/api/event.h"
#include "lib/core/api/outbox.h"
#include "lib/core/api/timing.h"
#include "lib/core/cluster/model.h"
#include "lib/core/detection/tablet_monitor.h"

namespace failoverd::core {

class StatusQuestions : public Asker {
 public:
  StatusQuestions(Model& model, Outbox& outbox, TabletMonitor& monitor)
      : model_(model), outbox_(outbox), monitor_(monitor) {}

  void start() { running_ = true; }
  // Shows everybody who waits what is known.
  void stop();

  void asked(const StatusAsked&);
  void answered(const ReplyTo&, const Answer&) override;
  void timer(const ReplyTo&) override;

 private:
  enum What : std::uint32_t { kQuestion, kAskTimer, kShowTimer };

  struct Waiting {
    std::uint64_t serial = 0;  // Counts those who asked: a question serves all up to its own.
    std::set<TabletIndex> for_tablets;
  };
  struct Question {
    bool open = false;
    bool timer_set = false;     // It will be sent then.
    std::uint64_t serial = 0;   // Of the last one who had asked when it was sent.
    std::optional<Instant> at;  // When it was sent.
  };

  std::set<TabletIndex> tablets_with(const std::vector<std::uint32_t>& tids) const;
  bool is_worth_asking(TabletIndex) const;
  bool is_waited_for(TabletIndex) const;
  void ask(TabletIndex);
  void show(RequestId);

  Model& model_;
  Outbox& outbox_;
  TabletMonitor& monitor_;
  bool running_ = false;
  std::uint64_t last_serial_ = 0;
  std::map<RequestId, Waiting> waiting_;
  std::map<TabletIndex, Question> questions_;
};

}  // namespace failoverd::core
