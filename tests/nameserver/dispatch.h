// The way of a call: service and method are found, faults that a test asked for take effect, the
// method answers now or later. It has the part of the control service that is about calls: Hang,
// Fail, Release, Counters. Owned by the Nameserver.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "lib/rpc/server.h"
#include "tests/minitablet/call.h"
#include "tests/minitablet/control.pb.h"
#include "tests/minitablet/faults.h"
#include "tests/nameserver/options.h"

namespace failoverd::mininameserver {

template <class Req, class Res>
using CallPtr = minitablet::CallPtr<Req, Res>;

class Dispatcher {
 public:
  Dispatcher(boost::asio::io_context& io, const Options& options);

  // Of service NameServer. Faults are at kBefore and kAfter, and know the request's pid.
  template <class Req, class Res>
  void add(const std::string& name, std::function<void(CallPtr<Req, Res>)> method);
  // Of service MiniNameserver: never delayed, and no fault is for it.
  template <class Req, class Res>
  void add_control(const std::string& name, std::function<void(CallPtr<Req, Res>)> method);

  void serve(rpc::Request request, rpc::Server::Reply reply);
  minitablet::Faults& faults() { return faults_; }

 private:
  struct Method {
    std::function<void(rpc::Request, rpc::Server::Reply)> serve;
    std::uint64_t calls = 0;
  };

  static void fail(const rpc::Server::Reply& reply, int error_code, std::string text);
  void add_own();
  template <class Req, class Res>
  void begin(const minitablet::Faults::Where& where, const CallPtr<Req, Res>& call,
             const rpc::Server::Reply& reply, const std::function<void(CallPtr<Req, Res>)>& method);

  const Kind& kind_;
  minitablet::Faults faults_;
  std::map<std::string, Method> methods_;
  std::map<std::string, Method> control_methods_;
};

template <class Req, class Res>
void Dispatcher::add(const std::string& name, std::function<void(CallPtr<Req, Res>)> method) {
  methods_[name].serve = [this, name, method](const rpc::Request& request,
                                              const rpc::Server::Reply& reply) {
    auto call = std::make_shared<minitablet::Call<Req, Res>>();
    // Partially first: a missing required field is the caller's affair, not the log's.
    if (!call->request.ParsePartialFromString(request.payload) || !call->request.IsInitialized()) {
      return fail(reply, 1003, "the request does not parse");
    }
    minitablet::Faults::Where where{name};
    if constexpr (requires { call->request.pid() + 1; }) where.pid = call->request.pid();
    begin(where, call, reply, method);
  };
}

template <class Req, class Res>
void Dispatcher::begin(const minitablet::Faults::Where& where, const CallPtr<Req, Res>& call,
                       const rpc::Server::Reply& reply,
                       const std::function<void(CallPtr<Req, Res>)>& method) {
  // The call does not own itself: whoever answers holds it.
  call->answer = [this, where, reply, raw = call.get()] {
    rpc::Response response;
    response.payload = raw->response.SerializeAsString();
    faults_.pass(where, minitablet::control::kAfter, [reply, response] { reply(response); });
  };
  if (const auto failure = faults_.failure(where)) {
    if (failure->drop()) return;
    if (failure->has_error_code()) {
      return fail(reply, failure->error_code(), "as a test asked for");
    }
    return call->end(failure->code(), "as a test asked for");
  }
  faults_.pass(where, minitablet::control::kBefore, [method, call] { method(call); });
}

template <class Req, class Res>
void Dispatcher::add_control(const std::string& name,
                             std::function<void(CallPtr<Req, Res>)> method) {
  control_methods_[name].serve = [method](const rpc::Request& request,
                                          const rpc::Server::Reply& reply) {
    auto call = std::make_shared<minitablet::Call<Req, Res>>();
    if (!call->request.ParseFromString(request.payload)) {
      return fail(reply, 1003, "the request does not parse");
    }
    call->answer = [reply, raw = call.get()] {
      rpc::Response response;
      response.payload = raw->response.SerializeAsString();
      reply(response);
    };
    method(call);
  };
}

}  // namespace failoverd::mininameserver
