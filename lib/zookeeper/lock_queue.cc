#include "lib/zookeeper/lock_queue.h"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace failoverd::zookeeper {

std::optional<std::int64_t> sequence_of(std::string_view name) {
  constexpr std::size_t kDigits = 10;
  if (name.size() < kDigits) return std::nullopt;
  const std::string_view digits = name.substr(name.size() - kDigits);
  std::int64_t sequence = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), sequence);
  if (error != std::errc{} || end != digits.data() + kDigits || sequence < 0) return std::nullopt;
  return sequence;
}

std::vector<Contender> in_order(const std::vector<std::string>& names) {
  std::vector<Contender> queue;
  for (const std::string& name : names) {
    if (const auto sequence = sequence_of(name)) queue.push_back({name, *sequence});
  }
  std::ranges::sort(queue, {}, [](const Contender& c) { return std::tie(c.sequence, c.name); });
  return queue;
}

}  // namespace failoverd::zookeeper
