// One call of a TabletServer or MiniTablet method while it is being answered: request and response,
// and whom to tell. It may be kept until long after the method returned.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace failoverd::minitablet {

template <class RequestType, class ResponseType>
struct Call {
  using Request = RequestType;
  using Response = ResponseType;

  Request request;
  Response response;
  std::string attachment;        // Of the request.
  std::function<void()> answer;  // Sends `response`; once.

  void ok() { end(0, "ok"); }
  void end(int code, const char* msg) {
    response.set_code(code);
    response.set_msg(msg);
    answer();
  }
};

template <class RequestType, class ResponseType>
using CallPtr = std::shared_ptr<Call<RequestType, ResponseType>>;

}  // namespace failoverd::minitablet
