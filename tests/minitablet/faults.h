// What a test asked a tablet to do wrong: calls that hang or are slow, calls that fail. Rules match
// in the order in which they were made, the first that matches a call at a stage counts. Owned by
// the Tablet.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/result.h"
#include "tests/minitablet/control.pb.h"

namespace failoverd::minitablet {

// The value of --hang (options.h).
Result<std::vector<control::HangRequest>> parse_hangs(const std::string& text);

class Faults {
 public:
  explicit Faults(boost::asio::io_context& io) : io_{io} {}

  void hang(const control::HangRequest& request);
  void fail(const control::FailRequest& request);
  // Ends the rules of a method ("*": all) and lets go whoever hangs in it.
  void release(const std::string& method);
  // Forgets everything without letting anybody go.
  void clear();

  struct Where {
    std::string method;
    std::uint32_t tid = 0;
    std::uint32_t pid = 0;
  };
  // Goes on at once, later, or when released.
  void pass(const Where& where, control::Stage stage, std::function<void()> go_on);

  // The failure that this call is to end with, if any.
  std::optional<control::FailRequest> failure(const Where& where);

  // Who hangs now, in order of arrival.
  void tell(google::protobuf::RepeatedPtrField<control::HeldCall>& held) const;

 private:
  struct Held {
    Where where;
    control::Stage stage{};
    std::function<void()> go_on;
    std::unique_ptr<boost::asio::steady_timer> timer;  // None: until released.
  };

  boost::asio::io_context& io_;
  std::list<control::HangRequest> hangs_;
  std::list<control::FailRequest> fails_;
  std::map<std::uint64_t, Held> held_;  // In order of arrival.
  std::uint64_t next_id_ = 0;
};

// How often each method has been called, and who hangs now.
template <class Methods>
void tell_counters(const Methods& methods, const Faults& faults,
                   control::CountersResponse& response) {
  for (const auto& [name, method] : methods) {
    control::Counter& counter = *response.add_counters();
    counter.set_method(name);
    counter.set_calls(method.calls);
  }
  faults.tell(*response.mutable_held());
}

}  // namespace failoverd::minitablet
