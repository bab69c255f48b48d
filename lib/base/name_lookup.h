// Looks names up on threads of their own, which nobody waits for: a name server that does not
// answer holds up neither the loop, nor other names, nor the end of the process. Every io_context
// has one; used from its thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/result.h"
#include "lib/base/time.h"

namespace failoverd {

class NameLookup : public boost::asio::execution_context::service {
 public:
  using Addresses = std::vector<boost::asio::ip::address>;
  using Done = std::function<void(const Result<Addresses>&)>;

  static NameLookup& of(boost::asio::io_context& io);

  // kOne: of a few names that have to be found, each on a thread of its own. kMany: of whatever
  // names there are, some at a time; one that was not found is not looked up again for a while.
  enum class Lane { kOne, kMany };
  // `done` is called from the io_context, once; never after the io_context's end. Where a name
  // cannot be looked up now, or not soon, it is told what was found last. An address is its own
  // name.
  void look_up(const std::string& name, Lane lane, Done done);

  // --- For tests
  struct Timing {
    Duration patience = std::chrono::seconds{1};    // Then what was found last has to do.
    Duration not_again = std::chrono::seconds{30};  // After a failure.
  };
  using Resolve = std::function<Result<Addresses>(const std::string&)>;
  void set(Timing timing, Resolve resolve);  // `resolve` is called from any thread.

  // Asio makes it.
  using key_type = NameLookup;
  static boost::asio::execution_context::id id;
  explicit NameLookup(boost::asio::io_context& io);
  ~NameLookup() override;

 private:
  struct State;
  void shutdown() override;
  std::shared_ptr<State> state_;
};

}  // namespace failoverd
