#include "lib/base/name_lookup.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "lib/base/boot_clock.h"

namespace failoverd {
namespace {

namespace asio = boost::asio;

// Of names of which there may be many.
constexpr std::size_t kMostThreads = 16;

Result<NameLookup::Addresses> ask_the_system(const std::string& name) {
  addrinfo hints{};
  hints.ai_flags = AI_ADDRCONFIG;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (error != 0) return Failure{name + ": " + ::gai_strerror(error)};
  NameLookup::Addresses addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    asio::ip::tcp::endpoint endpoint;
    if (one->ai_addrlen > endpoint.capacity()) continue;
    std::copy_n(reinterpret_cast<const char*>(one->ai_addr), one->ai_addrlen,
                reinterpret_cast<char*>(endpoint.data()));
    endpoint.resize(one->ai_addrlen);
    addresses.push_back(endpoint.address());
  }
  ::freeaddrinfo(found);
  if (addresses.empty()) return Failure{name + ": has no address"};
  return addresses;
}

}  // namespace

// Threads hold it, and may outlive the io_context: what they share with the loop is behind `mutex`.
struct NameLookup::State : std::enable_shared_from_this<State> {
  struct Waiting {
    Done done;
    std::unique_ptr<asio::steady_timer> patience;
  };
  struct Name {
    Addresses last;  // That were found.
    std::optional<Instant> failed;
    std::string why;
    // While it is looked up. The loop has work until that has ended.
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> under_way;
    bool is_queued = false;
    std::map<std::uint64_t, Waiting> waiting;
  };

  explicit State(asio::io_context& its_io) : io(&its_io) {}

  void look_up(const std::string& name, Lane lane, Done done);
  void start(const std::string& name);
  void ended(const std::string& name, const Result<Addresses>& result);
  void impatient(const std::string& name, std::uint64_t number);
  void tell(Done done, Result<Addresses> result) const;
  static Result<Addresses> what_will_do(const Name& name);

  // --- The loop's alone
  Timing timing;
  Resolve resolve = ask_the_system;
  std::map<std::string, Name> names;
  std::deque<std::string> queue;
  std::size_t threads = 0;
  std::uint64_t last_number = 0;

  // --- Shared
  std::mutex mutex;
  asio::io_context* io;  // Null after its end.
};

void NameLookup::State::tell(Done done, Result<Addresses> result) const {
  asio::post(*io, [done = std::move(done), result = std::move(result)] { done(result); });
}

Result<NameLookup::Addresses> NameLookup::State::what_will_do(const Name& name) {
  if (!name.last.empty()) return name.last;
  return Failure{name.why};
}

void NameLookup::State::look_up(const std::string& name, Lane lane, Done done) {
  boost::system::error_code no_address;
  const auto address = asio::ip::make_address(name, no_address);
  if (!no_address) return tell(std::move(done), Addresses{address});
  Name& known = names[name];
  const bool failed_lately = known.failed && boot_now() - *known.failed < timing.not_again;
  if (lane == Lane::kMany && failed_lately) return tell(std::move(done), what_will_do(known));
  const std::uint64_t number = ++last_number;
  Waiting& waiting = known.waiting[number];
  waiting.done = std::move(done);
  if (!known.last.empty()) {
    waiting.patience = std::make_unique<asio::steady_timer>(*io, timing.patience);
    waiting.patience->async_wait(
        [self = shared_from_this(), name, number](const boost::system::error_code& error) {
          if (!error) self->impatient(name, number);
        });
  }
  if (known.under_way) return;
  if (lane == Lane::kOne || threads < kMostThreads) return start(name);
  if (!std::exchange(known.is_queued, true)) queue.push_back(name);
}

void NameLookup::State::start(const std::string& name) {
  Name& known = names[name];
  known.under_way.emplace(io->get_executor());
  if (std::exchange(known.is_queued, false)) std::erase(queue, name);
  ++threads;
  const auto work = [self = shared_from_this(), name, ask = resolve] {
    Result<Addresses> result = ask(name);
    const std::lock_guard lock{self->mutex};
    if (self->io == nullptr) return;
    asio::post(*self->io, [self, name, result = std::move(result)] { self->ended(name, result); });
  };
  try {
    std::thread{work}.detach();
  } catch (const std::system_error& e) {
    asio::post(*io, [self = shared_from_this(), name, why = std::string{e.what()}] {
      self->ended(name, Failure{name + ": " + why});
    });
  }
}

void NameLookup::State::ended(const std::string& name, const Result<Addresses>& result) {
  --threads;
  Name& known = names[name];
  known.under_way.reset();
  known.failed.reset();
  if (result) {
    known.last = *result;
  } else {
    known.failed = boot_now();
    known.why = result.error().text;
  }
  const Result<Addresses> told = what_will_do(known);
  auto waiting = std::exchange(known.waiting, {});
  if (!queue.empty() && threads < kMostThreads) start(std::string{queue.front()});
  for (auto& [number, one] : waiting) one.done(told);
}

void NameLookup::State::impatient(const std::string& name, std::uint64_t number) {
  Name& known = names[name];
  auto one = known.waiting.extract(number);
  if (!one.empty()) one.mapped().done(what_will_do(known));
}

asio::execution_context::id NameLookup::id;

NameLookup::NameLookup(asio::io_context& io)
    : asio::execution_context::service(io), state_(std::make_shared<State>(io)) {}

NameLookup::~NameLookup() = default;

NameLookup& NameLookup::of(asio::io_context& io) { return asio::use_service<NameLookup>(io); }

void NameLookup::look_up(const std::string& name, Lane lane, Done done) {
  state_->look_up(name, lane, std::move(done));
}

void NameLookup::set(Timing timing, Resolve resolve) {
  state_->timing = timing;
  state_->resolve = std::move(resolve);
}

void NameLookup::shutdown() {
  {
    const std::lock_guard lock{state_->mutex};
    state_->io = nullptr;
  }
  state_->names.clear();
}

}  // namespace failoverd
