// Callbacks that may outlive whoever asked for them: what guard() returns does nothing once its
// Lifetime has ended. Declare it as the last member, so that it ends before the others do. One
// thread.
#pragma once

#include <memory>
#include <utility>

namespace failoverd {

class Lifetime {
 public:
  Lifetime() = default;
  ~Lifetime() { *alive_ = false; }
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;

  // f, called with whatever the result is called with, as long as this lives.
  template <class F>
  auto guard(F f) const {
    return [alive = alive_, f = std::move(f)](auto&&... args) {
      if (*alive) f(std::forward<decltype(args)>(args)...);
    };
  }

 private:
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace failoverd
