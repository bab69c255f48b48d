// What a client of the made-up ZooKeeper asks, and what its server answers.
#include <utility>

#include "lib/zookeeper/ensure_path.h"
#include "tests/simulation/fake_zookeeper_client.h"
#include "tests/simulation/world.h"

namespace failoverd::simulation {
namespace {

// What a request takes beside its path and value.
constexpr std::size_t kOverhead = 96;

}  // namespace

void FakeClient::get(const std::string& path, Get done, Watch watch) {
  Request request;
  request.bytes = kOverhead + path.size();
  request.execute = [this, path, done, watch = std::move(watch)](FakeServer& server) -> Reply {
    const Znode* znode = server.znodes().find(path);
    if (!znode) return {[done] { done(Code::kNoNode, {}, {}); }};
    if (world_.fake_zookeeper.hides(path)) return {[done] { done(Code::kNoAuth, {}, {}); }};
    Reply reply{
        [done, value = znode->value, stat = znode->stat] { done(Code::kOk, *value, stat); }};
    if (watch) {
      server.watch(Of::kData, path);
      reply.watch = {path, Of::kData, true, watch};
    }
    return reply;
  };
  request.instead = [done = std::move(done)](Code code) { done(code, {}, {}); };
  submit(std::move(request));
}

void FakeClient::children(const std::string& path, Children done, Watch watch) {
  Request request;
  request.bytes = kOverhead + path.size();
  request.execute = [this, path, done, watch = std::move(watch)](FakeServer& server) -> Reply {
    const Znode* znode = server.znodes().find(path);
    if (!znode) return {[done] { done(Code::kNoNode, {}, {}); }};
    if (world_.fake_zookeeper.hides(path)) return {[done] { done(Code::kNoAuth, {}, {}); }};
    Reply reply{[done, names = server.znodes().children(path), stat = znode->stat] {
      done(Code::kOk, names, stat);
    }};
    if (watch) {
      server.watch(Of::kChildren, path);
      reply.watch = {path, Of::kChildren, true, watch};
    }
    return reply;
  };
  request.instead = [done = std::move(done)](Code code) { done(code, {}, {}); };
  submit(std::move(request));
}

void FakeClient::exists(const std::string& path, Exists done, Watch watch) {
  Request request;
  request.bytes = kOverhead + path.size();
  request.execute = [path, done, watch = std::move(watch)](FakeServer& server) -> Reply {
    const Znode* znode = server.znodes().find(path);
    const zookeeper::Stat stat = znode ? znode->stat : zookeeper::Stat{};
    Reply reply{[done, code = znode ? Code::kOk : Code::kNoNode, stat] { done(code, stat); }};
    if (watch) {
      server.watch(Of::kData, path);
      reply.watch = {path, Of::kData, znode != nullptr, watch};
    }
    return reply;
  };
  request.instead = [done = std::move(done)](Code code) { done(code, {}); };
  submit(std::move(request));
}

void FakeClient::acl(const std::string& path, Acls done) {
  Request request;
  request.bytes = kOverhead + path.size();
  request.execute = [this, path, done](FakeServer& server) -> Reply {
    if (!server.znodes().find(path)) return {[done] { done(Code::kNoNode, {}); }};
    return {[done, acl = world_.fake_zookeeper.acl_of(path)] { done(Code::kOk, acl); }};
  };
  request.instead = [done = std::move(done)](Code code) { done(code, {}); };
  submit(std::move(request));
}

void FakeClient::sync(const std::string&, Done done) {
  Request request;
  request.bytes = kOverhead;
  request.needs_leader = true;
  request.execute = [done](FakeServer& server) -> Reply {
    server.catch_up();
    return {[done] { done(Code::kOk); }};
  };
  request.instead = [done = std::move(done)](Code code) { done(code); };
  submit(std::move(request));
}

void FakeClient::write(std::vector<zookeeper::Op> ops,
                       std::function<void(const FakeZooKeeper::Written&)> done) {
  Request request;
  if (world_.tamper.write) world_.tamper.write(ops);
  for (const zookeeper::Op& op : ops) request.bytes += op.bytes();
  request.needs_leader = true;
  request.instead = [done, count = ops.size()](Code code) {
    FakeZooKeeper::Written none{code, std::vector<zookeeper::OpResult>(count)};
    for (auto& result : none.results) {
      result.code = code == Code::kOther ? Code::kNotApplied : code;
    }
    done(none);
  };
  request.execute = [this, done = std::move(done),
                     all = std::make_shared<const std::vector<zookeeper::Op>>(std::move(ops))](
                        FakeServer& server) -> Reply {
    auto written = world_.fake_zookeeper.write(*all, session_, owner_);
    server.catch_up();  // It is answered when its own server has it.
    return {[done, written = std::move(written)] { done(written); }};
  };
  submit(std::move(request));
}

void FakeClient::create(const std::string& path, std::string value, bool ephemeral, bool sequential,
                        Created done) {
  zookeeper::Op op = zookeeper::Op::create(path, std::move(value));
  op.ephemeral = ephemeral;
  op.sequential = sequential;
  write({std::move(op)}, [done = std::move(done)](const FakeZooKeeper::Written& w) {
    if (done) done(w.code, w.results[0].created_path);
  });
}

void FakeClient::set(const std::string& path, std::string value, std::int32_t version,
                     SetDone done) {
  write({zookeeper::Op::set(path, std::move(value), version)},
        [done = std::move(done)](const FakeZooKeeper::Written& w) {
          if (done) done(w.code, w.results[0].stat);
        });
}

void FakeClient::remove(const std::string& path, std::int32_t version, Done done) {
  write({zookeeper::Op::remove(path, version)},
        [done = std::move(done)](const FakeZooKeeper::Written& w) {
          if (done) done(w.code);
        });
}

void FakeClient::multi(std::vector<zookeeper::Op> ops, MultiDone done) {
  write(std::move(ops), [done = std::move(done)](const FakeZooKeeper::Written& w) {
    if (done) done(w.code, w.results);
  });
}

void FakeClient::ensure_path(const std::string& path, Done done, MayCreate may_create) {
  ensure_path_with(*this, path, std::move(done), std::move(may_create));
}

}  // namespace failoverd::simulation
