// std::visit with one lambda per alternative.
#pragma once

namespace failoverd {

template <class... Fs>
struct Overload : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overload(Fs...) -> Overload<Fs...>;  // clang 14 needs it spelled out.

}  // namespace failoverd
