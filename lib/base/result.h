// What a call that may be refused returns. A Failure is for people: it names the place, the value
// and what would be right, in one line without a full stop.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace failoverd {

struct [[nodiscard]] Failure {
  std::string text;
};

[[noreturn]] inline void throw_exception_from_error(const Failure& failure,
                                                    const boost::source_location&) {
  throw std::runtime_error(failure.text);
}

template <class T>
using Result = boost::system::result<T, Failure>;

}  // namespace failoverd
