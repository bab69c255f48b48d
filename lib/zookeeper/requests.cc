// The requests of a session: each is handed to the C client with a record of what was asked, and
// its completion turns the client's answer into ours.
#include <zookeeper/zookeeper.h>

#include <algorithm>

#include "lib/zookeeper/ensure_path.h"
#include "lib/zookeeper/paths.h"
#include "lib/zookeeper/session_core.h"

namespace failoverd::zookeeper {
namespace {

// What a request takes besides its path and value: length, header, type, flags, ACL, version.
constexpr std::size_t kOverhead = 96;

// A request under way. Made when it is submitted, freed by its completion: the C client calls that
// exactly once for every request it took, at the latest when the handle is closed.
template <class Done>
struct Call {
  SessionCore* core;
  Done done;
  std::string path;
  Session::Watch watch;
};

template <class Done>
std::unique_ptr<Call<Done>> take(const void* data) {
  return std::unique_ptr<Call<Done>>{static_cast<Call<Done>*>(const_cast<void*>(data))};
}

template <class Done>
void keep_watch(Call<Done>& call, Watches::Of of, bool was_set) {
  if (call.watch && was_set) call.core->add_watch(of, call.path, std::move(call.watch));
}

Stat to_stat(const ::Stat* stat) {
  if (stat == nullptr) return {};
  return {.czxid = stat->czxid,
          .mzxid = stat->mzxid,
          .pzxid = stat->pzxid,
          .ctime_ms = stat->ctime,
          .mtime_ms = stat->mtime,
          .version = stat->version,
          .cversion = stat->cversion,
          .ephemeral_owner = stat->ephemeralOwner,
          .data_length = stat->dataLength,
          .num_children = stat->numChildren};
}

void on_get(int rc, const char* value, int length, const ::Stat* stat, const void* data) {
  const auto call = take<Session::Get>(data);
  keep_watch(*call, Watches::Of::kData, rc == ZOK);
  std::string text;  // A znode created without data has length -1.
  if (rc == ZOK && length > 0) text.assign(value, static_cast<std::size_t>(length));
  call->core->completed(std::move(call->done), to_code(rc), std::move(text), to_stat(stat));
}

void on_children(int rc, const ::String_vector* names, const ::Stat* stat, const void* data) {
  const auto call = take<Session::Children>(data);
  keep_watch(*call, Watches::Of::kChildren, rc == ZOK);
  std::vector<std::string> list;
  if (rc == ZOK) list.assign(names->data, names->data + names->count);
  call->core->completed(std::move(call->done), to_code(rc), std::move(list), to_stat(stat));
}

void on_exists(int rc, const ::Stat* stat, const void* data) {
  const auto call = take<Session::Exists>(data);
  keep_watch(*call, Watches::Of::kData, rc == ZOK || rc == ZNONODE);
  call->core->completed(std::move(call->done), to_code(rc), to_stat(stat));
}

void on_acl(int rc, ::ACL_vector* entries, ::Stat*, const void* data) {
  const auto call = take<Session::Acls>(data);
  std::vector<Acl> list;
  for (int i = 0; rc == ZOK && i < entries->count; ++i) {
    const ::ACL& entry = entries->data[i];
    std::string letters;
    for (const auto& [permission, letter] : {std::pair{ZOO_PERM_CREATE, 'c'},
                                             {ZOO_PERM_DELETE, 'd'},
                                             {ZOO_PERM_READ, 'r'},
                                             {ZOO_PERM_WRITE, 'w'},
                                             {ZOO_PERM_ADMIN, 'a'}}) {
      if ((entry.perms & permission) != 0) letters += letter;
    }
    const bool write = (entry.perms & ZOO_PERM_WRITE) != 0;
    list.push_back({entry.id.scheme, entry.id.id, write, letters});
  }
  call->core->completed(std::move(call->done), to_code(rc), std::move(list));
}

void on_set(int rc, const ::Stat* stat, const void* data) {
  const auto call = take<Session::SetDone>(data);
  call->core->completed(std::move(call->done), to_code(rc), to_stat(stat));
}

void on_create(int rc, const char* path, const void* data) {
  const auto call = take<Session::Created>(data);
  call->core->completed(std::move(call->done), to_code(rc), std::string{rc == ZOK ? path : ""});
}

void on_done(int rc, const void* data) {
  const auto call = take<Session::Done>(data);
  call->core->completed(std::move(call->done), to_code(rc));
}

void on_sync(int rc, const char*, const void* data) { on_done(rc, data); }

int create_mode(bool ephemeral, bool sequential) {
  if (sequential) return ephemeral ? ZOO_EPHEMERAL_SEQUENTIAL : ZOO_PERSISTENT_SEQUENTIAL;
  return ephemeral ? ZOO_EPHEMERAL : ZOO_PERSISTENT;
}

const ACL_vector* acl_of(const Session::Options& options) {
  return options.digest_auth.empty() ? &ZOO_OPEN_ACL_UNSAFE : &ZOO_CREATOR_ALL_ACL;
}

// A multi under way, with everything that the C client writes into until its completion.
struct MultiCall {
  SessionCore* core = nullptr;
  Session::MultiDone done;
  std::vector<Op> ops;
  std::vector<zoo_op_t> raw;
  std::vector<zoo_op_result_t> results;
  std::vector<::Stat> stats;
  std::vector<std::string> created_paths;  // Buffers: the path with a sequence number fits.
};

void prepare(MultiCall& call, const ACL_vector* acl) {
  const std::size_t count = call.ops.size();
  call.raw.resize(count);
  call.results.resize(count);
  call.stats.resize(count);
  call.created_paths.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Op& op = call.ops[i];
    zoo_op_t* raw = &call.raw[i];
    const int length = static_cast<int>(op.value.size());
    switch (op.kind) {
      case Op::Kind::kCreate: {
        std::string& created = call.created_paths[i];
        created.resize(op.path.size() + 16);
        zoo_create_op_init(raw, op.path.c_str(), op.value.data(), length, acl,
                           create_mode(op.ephemeral, op.sequential), created.data(),
                           static_cast<int>(created.size()));
        break;
      }
      case Op::Kind::kSet:
        zoo_set_op_init(raw, op.path.c_str(), op.value.data(), length, op.version, &call.stats[i]);
        break;
      case Op::Kind::kDelete:
        zoo_delete_op_init(raw, op.path.c_str(), op.version);
        break;
      case Op::Kind::kCheck:
        zoo_check_op_init(raw, op.path.c_str(), op.version);
        break;
    }
  }
}

std::vector<OpResult> every(std::size_t count, Code code) {
  std::vector<OpResult> results(count);
  for (OpResult& result : results) result.code = code;
  return results;
}

// The server marks those before the failed one as ok and those after it as inconsistent; when there
// is no answer of the server's, all carry the same error.
std::vector<OpResult> results_of(const MultiCall& call, Code whole) {
  std::vector<OpResult> results(call.ops.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const int error = call.results[i].err;
    OpResult& result = results[i];
    if (whole == Code::kOk) {
      result.code = Code::kOk;
      if (call.ops[i].kind == Op::Kind::kCreate) result.created_path = call.results[i].value;
      if (call.ops[i].kind == Op::Kind::kSet) result.stat = to_stat(&call.stats[i]);
    } else if (whole == Code::kUnknown || whole == Code::kExpired) {
      result.code = whole;
    } else {
      const bool failed = error != ZOK && error != ZRUNTIMEINCONSISTENCY;
      result.code = failed ? to_code(error) : Code::kNotApplied;
      if (failed) result.word = word_of(error);
    }
  }
  return results;
}

void on_multi(int rc, const void* data) {
  const std::unique_ptr<MultiCall> call{static_cast<MultiCall*>(const_cast<void*>(data))};
  const Code whole = to_code(rc);
  call->core->completed(std::move(call->done), whole, results_of(*call, whole));
}

std::size_t bytes_of(const std::string& path, const std::string& value = {}) {
  return kOverhead + path.size() + value.size();
}

}  // namespace

std::optional<Code> SessionCore::refusal(const std::string& path, bool sequential,
                                         std::size_t bytes) {
  if (state_ == SessionState::kExpired) return Code::kExpired;
  if (!is_valid_path(sequential ? path + "0" : path)) {
    note("ZooKeeper: \"" + path + "\" is not a valid path; the request was not sent");
    return Code::kOther;
  }
  if (bytes > longest_request_) {
    note("ZooKeeper: a request for " + path + " of " + std::to_string(bytes) +
         " bytes is longer than servers take (" + std::to_string(longest_request_) +
         "); it was not sent");
    return Code::kOther;
  }
  if (!handle_) return Code::kUnknown;
  return std::nullopt;
}

template <class... Rest, class Send>
void SessionCore::submit(const std::string& path, bool sequential, std::size_t bytes,
                         std::function<void(Code, Rest...)> done, Session::Watch watch, Send send) {
  using Done = std::function<void(Code, Rest...)>;
  if (const std::optional<Code> code = refusal(path, sequential, bytes)) {
    refuse(std::move(done), *code);
    return;
  }
  auto call =
      std::unique_ptr<Call<Done>>{new Call<Done>{this, std::move(done), path, std::move(watch)}};
  const int rc = send(handle_->get(), call.get());
  if (rc != ZOK) {
    note("ZooKeeper: a request for " + path + " was not sent: " + zerror(rc));
    refuse(std::move(call->done), to_code(rc));
    return;
  }
  [[maybe_unused]] const auto* of_the_completion = call.release();
  connection_asked_ = true;
  handle_->submitted();
}

void SessionCore::get(const std::string& path, Session::Get done, Session::Watch watch) {
  const watcher_fn watcher = watch ? &Handle::watcher : nullptr;
  submit(path, false, bytes_of(path), std::move(done), std::move(watch),
         [&](zhandle_t* zh, void* call) {
           return zoo_awget(zh, path.c_str(), watcher, handle_.get(), &on_get, call);
         });
}

void SessionCore::children(const std::string& path, Session::Children done, Session::Watch watch) {
  const watcher_fn watcher = watch ? &Handle::watcher : nullptr;
  submit(path, false, bytes_of(path), std::move(done), std::move(watch),
         [&](zhandle_t* zh, void* call) {
           return zoo_awget_children2(zh, path.c_str(), watcher, handle_.get(), &on_children, call);
         });
}

void SessionCore::exists(const std::string& path, Session::Exists done, Session::Watch watch) {
  const watcher_fn watcher = watch ? &Handle::watcher : nullptr;
  submit(path, false, bytes_of(path), std::move(done), std::move(watch),
         [&](zhandle_t* zh, void* call) {
           return zoo_awexists(zh, path.c_str(), watcher, handle_.get(), &on_exists, call);
         });
}

void SessionCore::acl(const std::string& path, Session::Acls done) {
  submit(path, false, bytes_of(path), std::move(done), nullptr,
         [&](zhandle_t* zh, void* call) { return zoo_aget_acl(zh, path.c_str(), &on_acl, call); });
}

void SessionCore::create(const std::string& path, std::string value, bool ephemeral,
                         bool sequential, Session::Created done) {
  submit(path, sequential, bytes_of(path, value), std::move(done), nullptr,
         [&](zhandle_t* zh, void* call) {
           return zoo_acreate(zh, path.c_str(), value.data(), static_cast<int>(value.size()),
                              acl_of(options_), create_mode(ephemeral, sequential), &on_create,
                              call);
         });
}

void SessionCore::set(const std::string& path, std::string value, std::int32_t version,
                      Session::SetDone done) {
  submit(path, false, bytes_of(path, value), std::move(done), nullptr,
         [&](zhandle_t* zh, void* call) {
           return zoo_aset(zh, path.c_str(), value.data(), static_cast<int>(value.size()), version,
                           &on_set, call);
         });
}

void SessionCore::remove(const std::string& path, std::int32_t version, Session::Done done) {
  submit(path, false, bytes_of(path), std::move(done), nullptr, [&](zhandle_t* zh, void* call) {
    return zoo_adelete(zh, path.c_str(), version, &on_done, call);
  });
}

void SessionCore::sync(const std::string& path, Session::Done done) {
  submit(path, false, bytes_of(path), std::move(done), nullptr,
         [&](zhandle_t* zh, void* call) { return zoo_async(zh, path.c_str(), &on_sync, call); });
}

void SessionCore::multi(std::vector<Op> ops, Session::MultiDone done) {
  if (ops.empty()) {  // Nothing to ask: vacuously done.
    answer(std::move(done), Code::kOk, std::vector<OpResult>{});
    return;
  }
  std::size_t bytes = 0;
  for (const Op& op : ops) bytes += op.bytes();
  std::optional<Code> code;
  for (const Op& op : ops) {
    if (!code) code = refusal(op.path, op.kind == Op::Kind::kCreate && op.sequential, bytes);
  }
  if (code) {
    const Code each = *code == Code::kOther ? Code::kNotApplied : *code;
    answer(std::move(done), *code, every(ops.size(), each));
    return;
  }
  auto call = std::make_unique<MultiCall>();
  call->core = this;
  call->done = std::move(done);
  call->ops = std::move(ops);
  prepare(*call, acl_of(options_));
  const int rc = zoo_amulti(handle_->get(), static_cast<int>(call->ops.size()), call->raw.data(),
                            call->results.data(), &on_multi, call.get());
  if (rc != ZOK) {
    note(std::string{"ZooKeeper: a multi was not sent: "} + zerror(rc));
    const Code whole = to_code(rc);
    answer(std::move(call->done), whole, every(call->ops.size(), whole));
    return;
  }
  [[maybe_unused]] const auto* of_the_completion = call.release();
  connection_asked_ = true;
  handle_->submitted();
}

void SessionCore::ensure_path(const std::string& path, Session::Done done,
                              Session::MayCreate may_create) {
  ensure_path_with(*this, path, std::move(done), std::move(may_create));
}

}  // namespace failoverd::zookeeper
