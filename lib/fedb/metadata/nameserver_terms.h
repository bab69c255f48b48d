// What the leading nameserver knows of terms. It reads table/term when it begins to lead, and from
// then on counts in its memory, which nobody can ask for: so it is told from who wrote table/term
// last, and when. Where that cannot be told it is taken to know less. Writes nothing. Owned by
// NameserverSwitch; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "lib/base/lifetime.h"
#include "lib/core/api/types.h"
#include "lib/fedb/wire/paths.h"
#include "lib/zookeeper/client.h"

namespace failoverd::fedb {

class NameserverTerms {
 public:
  NameserverTerms(zookeeper::Client& session, Paths paths);
  NameserverTerms(const NameserverTerms&) = delete;
  NameserverTerms& operator=(const NameserverTerms&) = delete;

  void connected(bool new_session) { missed_some_ = missed_some_ || new_session; }
  // leader/ has changed, or is read for the first time. we_reserve: this daemon has given out terms
  // since it acts.
  void listed(bool we_reserve) {
    look(true, we_reserve, [](bool) {});
  }
  // Looks at what is there now. done(read): knows() is up to date.
  using Done = std::function<void(bool read)>;
  void look(bool we_reserve, const Done& done) { look(false, we_reserve, done); }

  // The nameserver that leads counts above `term`, so that its elections outbid whoever holds it.
  bool knows(core::Term term) const { return knows_all_ || term <= term_; }

 private:
  struct Read;
  void look(bool is_listed, bool we_reserve, const Done& done);
  void listed_now(const std::shared_ptr<Read>& read, const std::string& first, std::int64_t zxid,
                  const Done& done);
  void term_read(const Read& read);
  void missed(const Done& done);

  zookeeper::Client& session_;
  const Paths paths_;
  bool missed_some_ = true;  // Others may have led that were not seen.
  std::string first_;        // The znode of the one that leads; empty: none that is known.
  // Whatever was written before it has read.
  std::int64_t leads_since_zxid_ = 0;
  core::Term term_ = 0;  // Its count is at least this.
  bool knows_all_ = false;
  Lifetime lifetime_;
};

}  // namespace failoverd::fedb
