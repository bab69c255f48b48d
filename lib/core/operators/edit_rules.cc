#include "lib/core/operators/edit_rules.h"

#include <algorithm>
#include <set>
#include <utility>

#include "lib/core/cluster/standing.h"

namespace failoverd::core {
namespace {

bool leads(const Row& row) { return row.is_leader && row.is_alive; }

// The alive leader's row; null: there is none.
const Row* leader_of(const PartitionShape& shape) {
  const auto found = std::find_if(shape.rows.begin(), shape.rows.end(), leads);
  return found == shape.rows.end() ? nullptr : &*found;
}

bool says_it_leads(const Replica& r) {
  return r.in_doubt_term || (r.report.held && r.report.mode == Mode::kLeader);
}

class Rules {
 public:
  Rules(const Model& model, const Partition& now, const PartitionShape& wanted)
      : model_(model), now_(now), wanted_(wanted), named_(leader_of(wanted)) {}

  std::optional<std::string> broken() const {
    if (auto why = history()) return why;
    for (const Row& row : wanted_.rows) {
      if (auto why = comes(row)) return why;
    }
    if (auto why = leader()) return why;
    for (const Replica& r : now_.replicas) {
      if (auto why = goes(r)) return why;
    }
    return std::nullopt;
  }

 private:
  const std::string& name(const Replica& r) const { return model_.tablet(r.tablet).endpoint; }
  const Replica* replica(const Endpoint& endpoint) const {
    const auto tablet = model_.find_tablet(endpoint);
    return tablet ? now_.on(*tablet) : nullptr;
  }
  // Null: its row goes.
  const Row* row(const Replica& r) const {
    const auto found = std::find_if(wanted_.rows.begin(), wanted_.rows.end(),
                                    [&](const Row& one) { return one.endpoint == name(r); });
    return found == wanted_.rows.end() ? nullptr : &*found;
  }
  bool any_alive() const {
    return std::any_of(now_.replicas.begin(), now_.replicas.end(),
                       [](const Replica& r) { return r.is_alive; });
  }

  std::optional<std::string> history() const;
  std::optional<std::string> comes(const Row&) const;
  std::optional<std::string> leader() const;
  std::optional<std::string> takes_over(const Replica&) const;
  std::optional<std::string> goes(const Replica&) const;

  const Model& model_;
  const Partition& now_;
  const PartitionShape& wanted_;
  const Row* const named_;  // Who leads then; null: nobody.
};

bool is_in_order(const std::vector<TermPair>& terms) {
  for (std::size_t i = 1; i < terms.size(); ++i) {
    if (terms[i].term <= terms[i - 1].term || terms[i].offset < terms[i - 1].offset) return false;
  }
  return std::all_of(terms.begin(), terms.end(), [](const TermPair& t) {
    return t.term <= kHighestTerm && t.offset <= kHighestOffset;
  });
}

Term highest_of(const std::vector<TermPair>& terms) {
  Term highest = 0;
  for (const TermPair& t : terms) highest = std::max(highest, t.term);
  return highest;
}

// SAFETY 10: what replicas hold is compared with it.
std::optional<std::string> Rules::history() const {
  const auto& was = now_.terms;
  const auto& is = wanted_.terms;
  if (is == was) return std::nullopt;
  if (!is_in_order(is)) return "its term_offset has to rise, in terms and in offsets";
  if (!is_in_order(was)) {  // It is damaged: only what no election has reached may go.
    Term highest = 0;
    for (const TermPair& t : was) {
      if (t.term <= kHighestTerm) highest = std::max(highest, t.term);
    }
    if (highest_of(is) >= highest) return std::nullopt;
    return "its terms would go back behind " + std::to_string(highest) + " (SAFETY 4)";
  }
  const bool goes_on = is.size() >= was.size() && std::equal(was.begin(), was.end(), is.begin());
  if (!goes_on) {
    return "its term_offset may only be added to: what replicas hold is compared with it "
           "(SAFETY 4, 10)";
  }
  if (highest_of(is) <= now_.highest_term()) return std::nullopt;
  return "nobody has heard of term " + std::to_string(highest_of(is)) +
         ": its leader would not be the one that leads with the published term (SAFETY 4, 9)";
}

// SAFETY 1, 18: alive means that it holds what was acknowledged.
std::optional<std::string> Rules::comes(const Row& row) const {
  const Replica* r = replica(row.endpoint);
  if (!r && (row.is_alive || row.is_leader)) {
    return "the new row of " + row.endpoint +
           " has to be a follower's that is not alive: it comes alive when it has caught up "
           "(SAFETY 18)";
  }
  if (!r || r->is_alive || !row.is_alive || !any_alive()) return std::nullopt;
  return "the row of " + row.endpoint +
         " is not alive, and may lack what was acknowledged: recovertable brings it back "
         "(SAFETY 1, 18)";
}

std::optional<std::string> Rules::leader() const {
  const auto led = std::count_if(now_.replicas.begin(), now_.replicas.end(),
                                 [](const Replica& r) { return r.leads(); });
  if (!named_) {
    if (led != 1) return std::nullopt;
    return "its leader's row may change only when another one leads: changeleader sees to that "
           "(SAFETY 1)";
  }
  const Replica* r = replica(named_->endpoint);
  if (led == 1 && r->leads()) return std::nullopt;
  return takes_over(*r);
}

// The rows are to say who leads in truth (SAFETY 8).
std::optional<std::string> Rules::takes_over(const Replica& r) const {
  const bool leads_in_truth = r.report.held && r.report.mode == Mode::kLeader &&
                              standing(model_, r) == Standing::kServes && !r.in_doubt_term;
  if (!leads_in_truth) {
    return name(r) + " does not say that it leads: changeleader has it lead (SAFETY 8)";
  }
  for (const Replica& other : now_.replicas) {
    if (&other == &r) continue;
    if (says_it_leads(other)) return name(other) + " leads, too, or may (SAFETY 8)";
    const Row* its = row(other);
    if (other.leads() && its && its->is_alive) {
      return "the row of " + name(other) +
             " said that it leads: it cannot be alive until it has been recovered (SAFETY 2)";
    }
  }
  return std::nullopt;
}

// Rows that die, or go.
std::optional<std::string> Rules::goes(const Replica& r) const {
  const Row* its = row(r);
  if (!its && says_it_leads(r)) {
    return "the row of " + name(r) + " cannot go: it leads, or may (SAFETY 5)";
  }
  if (!r.is_alive || (its && its->is_alive) || named_) return std::nullopt;
  return "the row of " + name(r) +
         " is alive, and no leader's row would stand beside it (SAFETY 1)";
}

}  // namespace

std::optional<std::string> what_is_wrong_with(const PartitionShape& wanted) {
  if (wanted.rows.empty()) return "it has no rows";
  std::set<Endpoint> endpoints;
  for (const Row& row : wanted.rows) {
    if (row.endpoint.empty()) return "it has a row without endpoint";
    if (!endpoints.insert(row.endpoint).second) return "it has two rows for " + row.endpoint;
  }
  if (std::count_if(wanted.rows.begin(), wanted.rows.end(), leads) < 2) return std::nullopt;
  return "it has several alive leader rows";
}

std::optional<std::string> rule_broken_by(const Model& model, const Partition& now,
                                          const PartitionShape& wanted) {
  return Rules(model, now, wanted).broken();
}

}  // namespace failoverd::core
