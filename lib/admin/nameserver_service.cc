#include "lib/admin/nameserver_service.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lib/admin/nameserver_messages.h"
#include "lib/admin/peer_user.h"
#include "lib/admin/turns.h"

namespace failoverd::admin {
namespace {

namespace asio = boost::asio;
using namespace nameserver_calls;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// The transport's codes (FEDB.md 2).
constexpr int kNoMethod = 1002;
constexpr int kBadRequest = 1003;
constexpr int kInternal = 2001;
constexpr int kOverLimit = 2004;
// The nameserver's (FEDB.md 3.3); -1 is for what it has no code for.
constexpr int kFailed = -1;
constexpr int kTableIsNotExist = 100;
constexpr int kNotLeader = 300;
constexpr int kAutoFailoverIsEnabled = 301;

struct Call {
  rpc::Request request;
  NameserverDialect dialect;
  std::string who;  // Whom the connection shows.
  rpc::Server::Reply reply;

  const std::string& method() const { return request.method; }
  void answer(std::string payload) const { reply({0, "", std::move(payload), ""}); }
  void answer(int code, std::string_view msg) const {
    answer(nameserver_answer(method(), code, msg));
  }
  void fail(int error_code, std::string text) const {
    reply({error_code, std::move(text), "", ""});
  }
};
using CallPtr = std::shared_ptr<const Call>;
using TurnPtr = std::shared_ptr<Turn>;

// Waits for what the source answers later.
template <class T>
struct Pending {
  explicit Pending(const asio::any_io_executor& executor) : wake(executor) {}
  std::optional<T> result;
  asio::steady_timer wake;
};

// What is shown of a table is its rows in one piece. Pages of rows may part a table.
class TableRows {
 public:
  void add(std::vector<ReplicaRow> rows) {
    rows_.insert(rows_.end(), std::make_move_iterator(rows.begin()),
                 std::make_move_iterator(rows.end()));
  }
  const ReplicaRow& last() const { return rows_.back(); }

  // Gives every table that is whole; the last one may go on in a next page.
  template <class Show>
  void take(bool more, Show show) {
    std::size_t begin = 0;
    for (std::size_t end = 0; begin < rows_.size(); begin = end) {
      const auto is_other = [&](const ReplicaRow& row) {
        return row.name != rows_[begin].name || row.db != rows_[begin].db;
      };
      const auto other =
          std::find_if(rows_.begin() + static_cast<std::ptrdiff_t>(begin), rows_.end(), is_other);
      end = static_cast<std::size_t>(other - rows_.begin());
      if (more && end == rows_.size()) break;
      show(std::span<const ReplicaRow>(rows_).subspan(begin, end - begin));
    }
    rows_.erase(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(begin));
  }

 private:
  std::vector<ReplicaRow> rows_;
};

}  // namespace

struct NameserverService::State : std::enable_shared_from_this<NameserverService::State> {
  State(asio::io_context& context, Source& its_source, NameserverOptions its_options)
      : options(std::move(its_options)),
        io(context),
        turns(std::make_shared<Turns>(io.get_executor(), options.share, options.burst)),
        quick(std::make_shared<Turns>(io.get_executor(), options.share, options.burst)),
        source(its_source) {}

  void take(rpc::Request request, rpc::Server::Reply reply);
  asio::awaitable<void> serve(CallPtr call);
  std::optional<std::pair<int, std::string>> refusal(const Call& call, bool is_served);
  asio::awaitable<void> show(CallPtr call, NameserverCall asked, TurnPtr turn);
  asio::awaitable<void> show_tables(CallPtr call, TableFilter filter, TurnPtr turn);
  asio::awaitable<void> run(CallPtr call, CommandRequest command);
  void show_partition(const Call& call, const ShowPartition& asked);
  bool add_page(NameserverCall& asked, const Call& call, std::string& pieces);
  asio::awaitable<TurnPtr> my_turn(std::shared_ptr<Turns> among);
  template <class T, class Begin>
  asio::awaitable<std::shared_ptr<Pending<T>>> answer_of(Begin begin);
  std::string not_served(const std::string& method);

  const NameserverOptions options;
  asio::io_context& io;
  const std::shared_ptr<Turns> turns;  // Of those who want lists.
  const std::shared_ptr<Turns> quick;  // Of the others.
  std::optional<rpc::Server> server;
  bool open = true;  // The source may be used.
  Source& source;    // Borrowed.
};

void NameserverService::State::take(rpc::Request request, rpc::Server::Reply reply) {
  const auto dialect = dialect_of(request.service, source.cluster_is_openmldb());
  if (!dialect) {
    reply({kNoMethod, "no service " + request.service + " is served here", "", ""});
    return;
  }
  const bool changes = nameserver_call_changes(request.method);
  std::string who = changes && request.is_local ? user_behind(request.socket) : "";
  const auto call = std::make_shared<const Call>(
      Call{std::move(request), *dialect, std::move(who), std::move(reply)});
  asio::co_spawn(io, serve(call), [self = shared_from_this(), call](std::exception_ptr thrown) {
    if (!thrown) return;
    std::string why;
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& error) {
      why = error.what();
    } catch (...) {
      why = "no std::exception";
    }
    if (self->options.log) self->options.log("an answer to " + call->method() + " failed: " + why);
    call->fail(kInternal, "failed inside, see the log of failoverd");
  });
}

asio::awaitable<void> NameserverService::State::serve(CallPtr call) {
  TurnPtr turn = co_await my_turn(nameserver_call_lists(call->method()) ? turns : quick);
  if (!open) co_return;
  if (!turn) {
    call->fail(kOverLimit, "too many callers, ask again");
    co_return;
  }
  auto asked = parse_nameserver_call(call->method(), call->request.payload);
  if (!asked) {
    call->fail(kBadRequest, "this is no request of " + call->method());
    co_return;
  }
  const bool is_served = !std::holds_alternative<NotServed>(*asked);
  if (const auto refused = refusal(*call, is_served)) {
    call->answer(refused->first, refused->second);
    co_return;
  }
  if (auto* command = std::get_if<CommandRequest>(&*asked)) {
    turn.reset();
    co_await run(call, std::move(*command));
  } else if (const auto* tables = std::get_if<ShowTables>(&*asked)) {
    co_await show_tables(call, tables->filter, std::move(turn));
  } else if (const auto* partition = std::get_if<ShowPartition>(&*asked)) {
    show_partition(*call, *partition);
  } else {
    co_await show(call, std::move(*asked), std::move(turn));
  }
}

// In the order in which a nameserver looks: whether it leads, its switch, and then the arguments.
std::optional<std::pair<int, std::string>> NameserverService::State::refusal(const Call& call,
                                                                             bool is_served) {
  const std::string& method = call.method();
  const bool is_switch = method == "ConfGet" || method == "ConfSet";
  const Readiness now = source.readiness();
  const std::string& unread = is_switch ? now.switch_unread : now.cluster_unread;
  // One that has not read everything does not lead yet.
  if (!now.active || !unread.empty()) return std::pair(kNotLeader, "nameserver is not leader");
  if (!is_served) return std::pair(kFailed, not_served(method));
  if (!nameserver_call_changes(method)) return std::nullopt;
  if (!call.request.is_local && !options.changes_from_anywhere) {
    return std::pair(kFailed, "changes are taken from this machine only, not from " +
                                  call.request.peer + " (listen.rpc_changes)");
  }
  if (!nameserver_call_is_manual(method)) return std::nullopt;
  const std::vector<ConfRow> conf = source.conf();
  const bool is_on = std::any_of(conf.begin(), conf.end(), [](const ConfRow& row) {
    return row.key == "auto_failover" && row.value == "true";
  });
  if (!is_on) return std::nullopt;
  return std::pair(kAutoFailoverIsEnabled, "auto_failover is enabled");
}

std::string NameserverService::State::not_served(const std::string& method) {
  const std::string nameserver = source.nameserver();
  return "failoverd does the failover part only, " + method.substr(0, 64) +
         " is the nameserver's: " + (nameserver.empty() ? "none lives" : "ask " + nameserver);
}

// A list, a page in each turn.
asio::awaitable<void> NameserverService::State::show(CallPtr call, NameserverCall asked,
                                                     TurnPtr turn) {
  std::string pieces;
  for (;;) {
    const std::size_t before = pieces.size();
    const bool more = add_page(asked, *call, pieces);
    turn->end(pieces.size() - before);
    if (!more) break;
    turn = co_await my_turn(turns);
    if (!open) co_return;
    if (!turn) {
      call->fail(kOverLimit, "too many callers, ask again");
      co_return;
    }
  }
  call->answer(nameserver_list(call->method(), pieces));
}

// Whether more follows; then `asked` goes on behind it.
bool NameserverService::State::add_page(NameserverCall& asked, const Call& call,
                                        std::string& pieces) {
  if (auto* tablets = std::get_if<ShowTablets>(&asked)) {
    const auto page = source.tablets(tablets->after, kMostRows);
    for (const TabletRow& row : page.rows) pieces += nameserver_piece(row, call.dialect);
    if (!page.rows.empty()) tablets->after = page.rows.back().endpoint;
    return page.more;
  }
  if (auto* ops = std::get_if<ShowOps>(&asked)) {
    const auto page = source.ops(ops->asked);
    for (const OpRow& row : page.rows) {
      if (ops->op_id && row.op_id != *ops->op_id) continue;
      pieces += nameserver_piece(row, call.dialect);
    }
    if (!page.rows.empty()) ops->asked.after = page.rows.back().op_id;
    return page.more && !ops->op_id;
  }
  for (const ConfRow& row : source.conf()) pieces += nameserver_piece(row);
  return false;
}

// Every page is asked of the tablets, and shown when they have answered.
asio::awaitable<void> NameserverService::State::show_tables(CallPtr call, TableFilter filter,
                                                            TurnPtr turn) {
  TablesAsked asked{std::move(filter), std::nullopt, kMostRows};
  TableRows rows;
  std::string pieces;
  for (bool more = true; more;) {
    const auto answer = co_await answer_of<Source::ReadTables>([&](auto done) {
      const auto first = std::move(turn);
      source.tables(asked, std::move(done));
    });
    if (!open) co_return;
    if (!answer->result) {
      call->answer(kFailed, "the tables have not been shown in time");
      co_return;
    }
    turn = co_await my_turn(turns);
    if (!open) co_return;
    if (!turn) {
      call->fail(kOverLimit, "too many callers, ask again");
      co_return;
    }
    ListPage<ReplicaRow> page = (*answer->result)();
    more = page.more && !page.rows.empty();
    rows.add(std::move(page.rows));
    if (more) {
      const ReplicaRow& last = rows.last();
      asked.after = ReplicaKey{last.db, last.name, last.pid, last.endpoint};
    }
    const std::size_t before = pieces.size();
    rows.take(more, [&](std::span<const ReplicaRow> table) {
      const auto info = source.table_info(table.front().name, table.front().db);
      if (!info) return;  // It has gone meanwhile.
      pieces += nameserver_piece(*info, table, call->dialect);
    });
    turn->end(pieces.size() - before);
  }
  call->answer(nameserver_list(call->method(), pieces));
}

void NameserverService::State::show_partition(const Call& call, const ShowPartition& asked) {
  const auto info = source.table_info(asked.name, asked.db);
  if (!info) return call.answer(kTableIsNotExist, "table is not exist");
  const std::string piece = nameserver_partition(*info, asked.pid);
  call.answer(nameserver_list(call.method(), piece));
}

asio::awaitable<void> NameserverService::State::run(CallPtr call, CommandRequest command) {
  using Kind = CommandResult::Kind;
  command.who = call->who;
  command.from = call->request.peer;
  const auto answer = co_await answer_of<CommandResult>(
      [&](auto done) { source.command(std::move(command), std::move(done)); });
  if (!answer->result) {
    call->answer(kFailed, "no answer in time; it may still be carried out");
    co_return;
  }
  const CommandResult& result = *answer->result;
  if (result.kind == Kind::kOk) {
    call->answer(0, "ok");
  } else if (result.kind == Kind::kStandby) {
    call->answer(kNotLeader, "nameserver is not leader");
  } else {
    call->answer(result.code == 0 ? kFailed : result.code, result.error);
  }
}

// Null: it has not come in time.
asio::awaitable<TurnPtr> NameserverService::State::my_turn(std::shared_ptr<Turns> among) {
  asio::steady_timer wake(io, options.turn_timeout);
  TurnPtr turn;
  const auto ticket = among->ask([&] {
    turn = std::make_shared<Turn>(among);
    wake.cancel();
  });
  co_await wake.async_wait(kTuple);
  co_return turn;
}

// What the source tells a callback, now or later: begin(callback). Without a result: it has not
// answered in time.
template <class T, class Begin>
asio::awaitable<std::shared_ptr<Pending<T>>> NameserverService::State::answer_of(Begin begin) {
  const auto pending = std::make_shared<Pending<T>>(io.get_executor());
  pending->wake.expires_after(options.command_timeout);
  begin([waiting = std::weak_ptr(pending)](T result) {
    const auto asked = waiting.lock();  // Gone: the answer is late.
    if (!asked || asked->result) return;
    asked->result = std::move(result);
    asked->wake.cancel();
  });
  if (!pending->result) co_await pending->wake.async_wait(kTuple);
  co_return pending;
}

NameserverService::NameserverService(asio::io_context& io, Source& source,
                                     NameserverOptions options)
    : state_(std::make_shared<State>(io, source, std::move(options))) {
  const std::weak_ptr<State> weak = state_;
  state_->server.emplace(
      io,
      [weak](rpc::Request request, rpc::Server::Reply reply) {
        if (const auto state = weak.lock()) state->take(std::move(request), std::move(reply));
      },
      state_->options.limits);
}

NameserverService::~NameserverService() {
  state_->open = false;
  state_->server.reset();
}

Result<std::uint16_t> NameserverService::listen(const std::string& address) {
  return state_->server->listen(address);
}

std::size_t NameserverService::connections() const { return state_->server->connections(); }

void NameserverService::close_idle() { state_->server->close_idle(); }

}  // namespace failoverd::admin
