#include "lib/fedb/metadata/nameserver_terms.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "lib/fedb/metadata/number_znodes.h"
#include "lib/zookeeper/lock_queue.h"

namespace failoverd::fedb {

using zookeeper::Code;
using zookeeper::Stat;

// table/term, and the mark that rises with it in the same multi when one of us writes it.
struct NameserverTerms::Read {
  bool is_listed = false;
  bool we_reserve = false;
  Code term_code = Code::kUnknown;
  std::string term;
  std::int64_t term_zxid = 0;
  Code mark_code = Code::kUnknown;
  std::int64_t mark_zxid = 0;

  bool is_whole() const {
    const auto was_answered = [](Code c) { return c != Code::kUnknown && c != Code::kExpired; };
    return was_answered(term_code) && was_answered(mark_code);
  }
  // The mark is read behind the term: one that is older shows that another wrote the term.
  bool is_nameservers() const {
    if (mark_code == Code::kOk) return mark_zxid < term_zxid;
    return mark_code == Code::kNoNode && !we_reserve;
  }
};

NameserverTerms::NameserverTerms(zookeeper::Client& session, Paths paths)
    : session_(session), paths_(std::move(paths)) {}

// All are asked at once, and are answered in this order.
void NameserverTerms::look(bool is_listed, bool we_reserve, const Done& done) {
  const auto read = std::make_shared<Read>();
  read->is_listed = is_listed;
  read->we_reserve = we_reserve;
  session_.get(paths_.term(), [read](Code code, const std::string& value, const Stat& stat) {
    read->term_code = code;
    read->term = value;
    read->term_zxid = stat.mzxid;
  });
  session_.get(paths_.term_index(), [read](Code code, const std::string&, const Stat& stat) {
    read->mark_code = code;
    read->mark_zxid = stat.mzxid;
  });
  session_.children(
      paths_.nameservers(),
      lifetime_.guard(
          [this, read, done](Code code, const std::vector<std::string>& names, const Stat& stat) {
            const bool is_read = code == Code::kOk || code == Code::kNoNode;
            if (!is_read || !read->is_whole()) return missed(done);
            const auto queue = zookeeper::in_order(names);
            listed_now(read, queue.empty() ? "" : queue.front().name, stat.pzxid, done);
          }));
}

void NameserverTerms::missed(const Done& done) {
  missed_some_ = true;
  done(false);
}

// It began to lead when leader/ changed, where we saw the one before it; else not before its own
// znode was made.
void NameserverTerms::listed_now(const std::shared_ptr<Read>& read, const std::string& first,
                                 std::int64_t zxid, const Done& done) {
  const bool comes_now = read->is_listed && !missed_some_;
  if (read->is_listed) missed_some_ = false;
  if (first == first_ || first.empty()) {
    first_ = first;
    term_read(*read);
    return done(true);
  }
  session_.exists(
      paths_.nameservers() + "/" + first,
      lifetime_.guard([this, read, first, zxid, comes_now, done](Code code, const Stat& stat) {
        if (code != Code::kOk) return missed(done);
        first_ = first;
        leads_since_zxid_ = comes_now ? zxid : stat.czxid;
        term_ = 0;
        term_read(*read);
        done(true);
      }));
}

void NameserverTerms::term_read(const Read& read) {
  knows_all_ = read.term_code == Code::kOk && read.term_zxid <= leads_since_zxid_;
  if (read.term_code != Code::kOk || first_.empty()) return;
  const auto term = number_in(read.term);
  if (term && (knows_all_ || read.is_nameservers())) term_ = std::max(term_, *term);
}

}  // namespace failoverd::fedb
