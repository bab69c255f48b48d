// Answers of tablets: whose count, and who hears them.
#include "lib/core/rooms.h"

namespace failoverd::core {

void Brain::Rooms::tablet_answered(TabletAnswered e) {
  const auto route = desk.close(e.id);
  if (!route) return;  // Nobody waits for it any more.
  // What changed something was told to a process that was known to be ours. Everything else may
  // have been answered by anybody: whoever asked has heard nothing then (SAFETY 21). The watch
  // finds out who it is, so it hears all of it.
  const bool finds_out = Watch::asked_who_it_is(*route);
  const auto tablet = model.find_tablet(e.tablet);
  if (!finds_out && tablet && holdings_of(model, e.answer).others) watch.names_others(*tablet);
  if (e.answer.answered() && !route->changes && !finds_out && !counts(model, e.tablet, route->at)) {
    e.answer = {};
    e.answer.transport = Transport::kStranger;
    e.answer.text = "whoever answers there is not known to be this cluster's";
  }
  if (tablet) watch.heard(*tablet, *route, e.answer);
  routed(*route, e);
  // Also where whoever asked does not want to know any more: so much the replica had (SAFETY 2, 6).
  // The watch has taken what it asked for itself.
  if (!tablet || finds_out) return;
  for (const ReplicaStatus& status : e.answer.replicas) {
    model.remember_offset(status.at, *tablet, status, route->asked_at);
  }
}

void Brain::Rooms::routed(const Route& route, const TabletAnswered& e) {
  switch (route.owner) {
    case Route::Owner::kWatch:
      watch.answered(route, e.answer);
      break;
    case Route::Owner::kElections:
      elections.answered(route, e.answer);
      break;
    case Route::Owner::kOperations:
      operations.answered(route, e.answer);
      break;
    case Route::Owner::kCleanup:
      cleanup.answered(route, e.answer);
      break;
    case Route::Owner::kContradictions:
      contradiction_answered(route, e.answer);
      break;
    case Route::Owner::kStatus:
      status_questions.answered(route, e.answer);
      break;
    default:
      break;
  }
}

}  // namespace failoverd::core
