#include "tests/nameserver/dispatch.h"

namespace failoverd::mininameserver {

namespace control = minitablet::control;

Dispatcher::Dispatcher(boost::asio::io_context& io, const Options& options)
    : kind_{*options.kind}, faults_{io} {
  if (const auto hangs = minitablet::parse_hangs(options.hang)) {  // Else not settled.
    for (const control::HangRequest& hang : hangs.value()) faults_.hang(hang);
  }
  add_own();
}

void Dispatcher::fail(const rpc::Server::Reply& reply, int error_code, std::string text) {
  rpc::Response response;
  response.error_code = error_code;
  response.error_text = std::move(text);
  reply(std::move(response));
}

// The service comes as the caller's package names it, or by its short name.
void Dispatcher::serve(rpc::Request request, rpc::Server::Reply reply) {
  const bool own = request.service == "MiniNameserver";
  const bool known = own || request.service == "NameServer" || request.service == kind_.service;
  if (!known && !request.service.ends_with(".NameServer")) {
    return fail(reply, 1001, "no such service: " + request.service);
  }
  auto& methods = own ? control_methods_ : methods_;
  const auto at = methods.find(request.method);
  if (!known || at == methods.end()) {
    return fail(reply, 1002, "no such method: " + request.method);
  }
  ++at->second.calls;
  at->second.serve(std::move(request), std::move(reply));
}

void Dispatcher::add_own() {
  add_control<control::HangRequest, control::Answer>("Hang", [this](auto call) {
    faults_.hang(call->request);
    call->ok();
  });
  add_control<control::FailRequest, control::Answer>("Fail", [this](auto call) {
    faults_.fail(call->request);
    call->ok();
  });
  add_control<control::ReleaseRequest, control::Answer>("Release", [this](auto call) {
    faults_.release(call->request.method());
    call->ok();
  });
  add_control<control::CountersRequest, control::CountersResponse>("Counters", [this](auto call) {
    minitablet::tell_counters(methods_, faults_, call->response);
    call->answer();
  });
}

}  // namespace failoverd::mininameserver
