#include "tests/minitablet/tablet.h"

#include <type_traits>

#include "tests/minitablet/follower_link.h"
#include "tests/minitablet/snapshot.h"

namespace failoverd::minitablet {
namespace {

constexpr int kNoSuchService = 1001;
constexpr int kNoSuchMethod = 1002;
constexpr int kBadRequest = 1003;
constexpr int kOverLimit = 2004;
constexpr int kNoAnswer = -1;  // Never leaves this file: the call ends without an answer.

rpc::Response transport_failure(int error_code, std::string text) {
  rpc::Response response;
  response.error_code = error_code;
  response.error_text = std::move(text);
  return response;
}

template <class Request>
Faults::Where where_of(const char* method, const Request& request) {
  Faults::Where where{method};
  if constexpr (requires { request.table_meta(); }) {
    where.tid = static_cast<std::uint32_t>(request.table_meta().tid());
    where.pid = static_cast<std::uint32_t>(request.table_meta().pid());
  } else if constexpr (requires { request.tid(); }) {
    where.tid = static_cast<std::uint32_t>(request.tid());
    where.pid = static_cast<std::uint32_t>(request.pid());
  }
  return where;
}

// The wire requires these three; our own definition leaves them out to stay readable later.
template <class Request>
bool is_complete(const Request& request) {
  if constexpr (requires { request.task_info(); }) {
    const fedb::TaskInfo& task = request.task_info();
    return !request.has_task_info() ||
           (task.has_op_type() && task.has_task_type() && task.has_status());
  }
  return true;
}

}  // namespace

Tablet::Tablet(boost::asio::io_context& io, Options options)
    : io_{io},
      options_{std::move(options)},
      link_options_{std::make_shared<const Options>(options_)},
      faults_{io},
      task_pool_{std::make_shared<TaskPool>(io, options_.task_pool_size)},
      snapshot_pool_{std::make_shared<TaskPool>(io, 1)},
      delete_timer_{io} {
  add_all_methods();
  if (const auto hangs = parse_hangs(options_.hang)) {  // Else options_ has not been settled.
    for (const control::HangRequest& hang : hangs.value()) faults_.hang(hang);
  }
}

Tablet::~Tablet() = default;

Result<void> Tablet::listen() {
  std::error_code error;
  std::filesystem::create_directories(options_.db_root_path, error);
  if (error) return Failure{"--db_root_path=" + options_.db_root_path + ": " + error.message()};
  for (const std::string& root : {options_.ssd_root_path, options_.hdd_root_path}) {
    if (!root.empty()) std::filesystem::create_directories(root, error);
    if (error) return Failure{root + ": " + error.message()};
  }
  server_ =
      std::make_unique<rpc::Server>(io_, [this](rpc::Request request, rpc::Server::Reply reply) {
        serve(std::move(request), std::move(reply));
      });
  if (!options_.skip_grant_tables) {
    server_->authenticate(
        [](const std::string& data) { return data == rpc::kServiceAuthentication; });
  }
  const auto port = server_->listen(options_.endpoint);
  if (!port) return port.error();
  options_.endpoint =
      options_.endpoint.substr(0, options_.endpoint.rfind(':') + 1) + std::to_string(port.value());
  schedule_delete();
  return {};
}

void Tablet::stop() {
  stopped_ = true;
  server_.reset();
  faults_.clear();
  task_pool_->stop();
  snapshot_pool_->stop();
  delete_timer_.cancel();
  for (const auto& [key, partition] : partitions_) {
    for (const auto& link : partition->followers) link->stop([] {});
    partition->followers.clear();
  }
  channels_.clear();
}

PartitionPtr Tablet::find(std::uint32_t tid, std::uint32_t pid) const {
  const auto at = partitions_.find({tid, pid});
  return at == partitions_.end() ? nullptr : at->second;
}

std::filesystem::path Tablet::path_of(std::uint32_t tid, std::uint32_t pid,
                                      fedb::StorageMode storage) const {
  const std::string& root = storage == fedb::kSSD   ? options_.ssd_root_path
                            : storage == fedb::kHDD ? options_.hdd_root_path
                                                    : options_.db_root_path;
  return root.empty() ? std::filesystem::path{} : partition_path(root, tid, pid);
}

std::shared_ptr<rpc::Channel> Tablet::channel_to(const std::string& endpoint) {
  auto& channel = channels_[endpoint];
  if (!channel) channel = std::make_shared<rpc::Channel>(io_, endpoint, rpc::Channel::Options{});
  return channel;
}

std::string Tablet::address_of(const std::string& server) const {
  if (!options_.use_name) return server;
  const auto found = addresses_.find(server);
  return found == addresses_.end() ? "" : found->second;
}

// No coroutine itself: gcc 12 destroys what a lambda holds twice where it is a temporary of a
// co_await.
boost::asio::awaitable<void> Tablet::pass_inside(const char* method,
                                                 const PartitionPtr& partition) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [this](auto handler, const Faults::Where& where) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        faults_.pass(where, control::kInside, [shared] { std::move (*shared)(); });
      },
      asio::use_awaitable, Faults::Where{method, partition->tid(), partition->pid()});
}

// The service comes as the caller's package names it, or by its short name.
void Tablet::serve(rpc::Request request, rpc::Server::Reply reply) {
  std::map<std::string, Method, std::less<>>* methods = nullptr;
  if (request.service == "TabletServer" || request.service == generation().service) {
    methods = &methods_;
  } else if (request.service == "MiniTablet") {
    methods = &control_methods_;
  } else if (!request.service.ends_with(".TabletServer")) {
    return reply(transport_failure(kNoSuchService, "no such service: " + request.service));
  }
  const auto at = methods ? methods->find(request.method) : methods_.end();
  if (!methods || at == methods->end()) {
    return reply(transport_failure(kNoSuchMethod, "no such method: " + request.method));
  }
  Method& method = at->second;
  ++method.calls;
  if (method.limit != 0 && method.running >= method.limit) {
    return reply(transport_failure(kOverLimit, request.method + " is over its limit"));
  }
  ++method.running;
  method.serve(std::move(request), [&method, reply](rpc::Response response) {
    --method.running;
    if (response.error_code != kNoAnswer) reply(std::move(response));
  });
}

template <class Req, class Res>
void Tablet::begin(const char* name, void (Tablet::*method)(CallPtr<Req, Res>), Entry entry,
                   rpc::Request request, rpc::Server::Reply reply) {
  auto call = std::make_shared<Call<Req, Res>>();
  // Partially first: a missing required field is the caller's affair, not the log's.
  if (!parse_partial(request.payload, generation(), call->request) ||
      !call->request.IsInitialized() || !is_complete(call->request)) {
    return reply(transport_failure(kBadRequest, "the request does not parse"));
  }
  call->attachment = std::move(request.attachment);
  const Faults::Where where = where_of(name, call->request);
  // The call does not own itself: whoever answers holds it.
  call->answer = [this, where, reply, raw = call.get()] {
    rpc::Response response;
    response.payload = raw->response.SerializeAsString();
    faults_.pass(where, control::kAfter, [reply, response] { reply(response); });
  };
  if (const auto failure = faults_.failure(where)) {
    if (failure->drop()) return reply(transport_failure(kNoAnswer, ""));
    if (failure->has_error_code()) {
      return reply(transport_failure(failure->error_code(), "as a test asked for"));
    }
    call->response.set_code(failure->code());
    if constexpr (requires { call->response.set_msg(""); }) {
      call->response.set_msg("as a test asked for");
    }
    return call->answer();
  }
  faults_.pass(where, control::kBefore, [this, method, entry, call] {
    if (entry == Entry::kPastGate) return (this->*method)(call);
    gate_.enter([this, method, call] { (this->*method)(call); });
  });
}

template <class Req, class Res>
void Tablet::add(const char* name, void (Tablet::*method)(CallPtr<Req, Res>), Entry entry,
                 std::uint32_t limit) {
  methods_[name].limit = limit;
  methods_[name].serve = [this, name, method, entry](rpc::Request request,
                                                     rpc::Server::Reply reply) {
    begin(name, method, entry, std::move(request), std::move(reply));
  };
}

template <class Req, class Res>
void Tablet::add_control(const char* name, void (Tablet::*method)(CallPtr<Req, Res>)) {
  control_methods_[name].serve = [this, method](rpc::Request request, rpc::Server::Reply reply) {
    auto call = std::make_shared<Call<Req, Res>>();
    if (!call->request.ParseFromString(request.payload)) {
      return reply(transport_failure(kBadRequest, "the request does not parse"));
    }
    call->answer = [reply, raw = call.get()] {
      rpc::Response response;
      response.payload = raw->response.SerializeAsString();
      reply(response);
    };
    (this->*method)(call);
  };
}

void Tablet::add_all_methods() {
  add("Put", &Tablet::put, Entry::kThroughGate, options_.put_concurrency_limit);
  add("Get", &Tablet::get, Entry::kThroughGate, options_.get_concurrency_limit);
  add("Scan", &Tablet::scan, Entry::kThroughGate, options_.scan_concurrency_limit);
  add("AppendEntries", &Tablet::append_entries);
  add("ChangeRole", &Tablet::change_role);
  add("AddReplica", &Tablet::add_replica);
  add("DelReplica", &Tablet::del_replica);
  add("GetTableFollower", &Tablet::get_table_follower);
  add("GetTableStatus", &Tablet::get_table_status);
  add("GetTermPair", &Tablet::get_term_pair);
  if (generation().has_real_endpoint_map) {
    add("UpdateRealEndpointMap", &Tablet::update_real_endpoint_map);
  }
  add("GetTaskStatus", &Tablet::get_task_status);
  add("DeleteOPTask", &Tablet::delete_op_task);
  add("MakeSnapshot", &Tablet::make_snapshot);
  add("PauseSnapshot", &Tablet::pause_snapshot);
  add("RecoverSnapshot", &Tablet::recover_snapshot);
  add("SendSnapshot", &Tablet::send_snapshot);
  add("SendData", &Tablet::send_data);
  add("CreateTable", &Tablet::create_table);
  add("LoadTable", &Tablet::load_table);
  add("DropTable", &Tablet::drop_table);
  // These only look at files, in the original without the mutex.
  add("GetManifest", &Tablet::get_manifest, Entry::kPastGate);
  add("CheckFile", &Tablet::check_file, Entry::kPastGate);
  add("DeleteBinlog", &Tablet::delete_binlog, Entry::kPastGate);

  add_control("Hang", &Tablet::control_hang);
  add_control("Fail", &Tablet::control_fail);
  add_control("Release", &Tablet::control_release);
  add_control("LoseSession", &Tablet::control_lose_session);
  add_control("RestoreSession", &Tablet::control_restore_session);
  add_control("SetDiskFull", &Tablet::control_set_disk_full);
  add_control("Dump", &Tablet::control_dump);
  add_control("Counters", &Tablet::control_counters);
}

}  // namespace failoverd::minitablet
