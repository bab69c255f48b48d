// A made-up daemon behind the real HTTP server, on a loop and thread of its own. Tests fill its
// rows before start() and change them afterwards only through on_loop().
#pragma once

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lib/admin/event_log.h"
#include "lib/admin/http_server.h"
#include "lib/admin/metrics.h"
#include "lib/admin/status_types.h"

namespace failoverd::admin {

class FakeSource : public Source {
 public:
  explicit FakeSource(std::size_t keeps_events = 1000) : log(keeps_events) {}

  using Done = std::function<void(CommandResult)>;
  // A test is asked with the rows that match, and answers with those that are to be shown.
  using ShowRows = std::function<void(std::vector<ReplicaRow>)>;

  StatusView status() override {
    if (broken) throw std::runtime_error("status is broken");
    on_status();
    return status_view;
  }
  ListPage<TabletRow> tablets(const std::string& after, std::size_t limit) override {
    return page_of(tablet_rows, limit, [&](const TabletRow& row) { return row.endpoint > after; });
  }
  void tables(const TablesAsked& asked, std::function<void(ReadTables)> done) override {
    auto rows = replica_rows;
    std::erase_if(rows,
                  [&](const ReplicaRow& row) { return !asked.filter.matches(row.name, row.db); });
    on_tables(std::move(rows), [asked, done = std::move(done)](std::vector<ReplicaRow> shown) {
      done([asked, shown] {
        return page_of(shown, asked.limit, [&](const ReplicaRow& row) {
          return !asked.after || ReplicaKey{row.db, row.name, row.pid, row.endpoint} > *asked.after;
        });
      });
    });
  }
  std::string why_unreadable(const std::string& name) override {
    const auto found = unreadable.find(name);
    return found == unreadable.end() ? "" : found->second;
  }
  std::optional<TableBytes> table_info(const std::string& name, const std::string& db) override {
    const auto found = table_infos.find({db, name});
    if (found == table_infos.end()) return std::nullopt;
    return TableBytes{found->second, is_openmldb};
  }
  bool cluster_is_openmldb() override { return is_openmldb; }
  std::optional<ListPage<WrittenPartition>> partitions(const PartitionsAsked& asked) override {
    auto rows = partition_rows;
    std::erase_if(rows, [&](const WrittenPartition& row) {
      return row.name != asked.name || row.db != asked.db;
    });
    if (rows.empty()) return std::nullopt;
    return page_of(rows, asked.limit, [&](const WrittenPartition& row) {
      return (!asked.pid || row.pid == *asked.pid) && (!asked.after || row.pid > *asked.after);
    });
  }
  std::string nameserver() override { return nameserver_endpoint; }
  ListPage<OpRow> ops(const OpsAsked& asked) override {
    auto rows = op_rows;
    std::erase_if(rows, [&](const OpRow& row) {
      return (asked.name && row.name != *asked.name) || (asked.db && row.db != *asked.db) ||
             (asked.pid && row.pid != *asked.pid);
    });
    return page_of(rows, asked.limit,
                   [&](const OpRow& row) { return asked.after == 0 || row.op_id > asked.after; });
  }
  std::vector<ConfRow> conf() override { return conf_rows; }
  LoggedEvents events(std::uint64_t since, std::size_t limit) override {
    return log.since(since, limit);
  }
  Subscription subscribe(std::function<void(const EventRow&)> callback) override {
    return log.subscribe(std::move(callback));
  }
  Readiness readiness() override {
    return {status_view.ready,
            status_view.active,
            status_view.ready_reason,
            status_view.holder,
            cluster_unread,
            switch_unread,
            process};
  }
  std::string metrics() override { return metrics_page.text({}); }
  void command(CommandRequest request, Done done) override {
    if (broken) throw std::runtime_error("command is broken");
    commands.push_back(request);
    on_command(std::move(request), std::move(done));
  }

  // Rows are in the order of their list.
  template <class Row, class Follows>
  static ListPage<Row> page_of(const std::vector<Row>& rows, std::size_t limit, Follows follows) {
    ListPage<Row> page;
    page.total = rows.size();
    for (const Row& row : rows) {
      if (!follows(row)) continue;
      page.more = page.rows.size() == limit;
      if (page.more) break;
      page.rows.push_back(row);
    }
    return page;
  }

  StatusView status_view = [] {
    StatusView view;
    view.ready = true;
    view.active = true;
    return view;
  }();
  std::vector<TabletRow> tablet_rows;
  std::vector<ReplicaRow> replica_rows;
  std::vector<WrittenPartition> partition_rows;
  std::map<std::string, std::string> unreadable;  // Why, by the table's name.
  std::map<std::pair<std::string, std::string>, std::string> table_infos;  // By db and name.
  bool is_openmldb = false;                                                // All of its tables.
  std::string nameserver_endpoint;
  std::vector<OpRow> op_rows;
  std::vector<ConfRow> conf_rows;
  EventLog log;
  Metrics metrics_page{"1.2.3", {"kChangeLeaderOP"}};
  std::vector<CommandRequest> commands;
  std::function<void(CommandRequest, Done)> on_command = [](CommandRequest request, Done done) {
    done({CommandResult::Kind::kOk, {}, request.name + " ok", 0, "", "", {}});
  };
  std::function<void()> on_status = [] {};  // It is asked for.
  std::function<void(std::vector<ReplicaRow>, ShowRows)> on_tables =
      [](std::vector<ReplicaRow> rows, ShowRows show) { show(std::move(rows)); };
  std::string process;
  std::string cluster_unread;
  std::string switch_unread;
  bool broken = false;
};

class ServedSource {
 public:
  explicit ServedSource(std::size_t keeps_events = 1000) : source(keeps_events) {}
  ~ServedSource() { stop(); }
  ServedSource(const ServedSource&) = delete;
  ServedSource& operator=(const ServedSource&) = delete;

  template <class Work>
  auto on_loop(Work work) {
    std::packaged_task<decltype(work())()> task(std::move(work));
    auto result = task.get_future();
    boost::asio::post(io_, std::move(task));
    return result.get();
  }

  void start(HttpOptions options = {}, const std::string& address = "127.0.0.1:0") {
    server_.emplace(io_, source, std::move(options));
    const auto listening = server_->listen(address);
    if (!listening) throw std::runtime_error(listening.error().text);
    port = *listening;
    thread_ = std::thread([this] { io_.run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    on_loop([&] { server_.reset(); });
    work_.reset();
    thread_.join();
  }

  std::size_t connections() {
    return on_loop([&] { return server_->connections(); });
  }
  void close_idle() {
    on_loop([&] { server_->close_idle(); });
  }
  void set_token(const std::string& token) {
    on_loop([&] { server_->set_token(token); });
  }
  // Beside the address. Empty: it listens there, too.
  std::string listen_socket(const std::string& path) {
    return on_loop([&] {
      const auto listens = server_->listen_socket(path);
      return listens ? std::string{} : listens.error().text;
    });
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port); }

  FakeSource source;
  std::uint16_t port = 0;

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  std::optional<HttpServer> server_;
  std::thread thread_;
};

}  // namespace failoverd::admin
