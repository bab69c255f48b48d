#include "lib/zookeeper/watches.h"

#include <iterator>

namespace failoverd::zookeeper {

void Watches::add(Of of, const std::string& path, Watch watch) {
  Table& table = of == Of::kData ? data_ : children_;
  table[path].push_back(std::move(watch));
}

std::vector<Watches::Watch> Watches::take(Event event, const std::string& path) {
  std::vector<Watch> fired;
  if (event != Event::kChildren) move_out(data_, path, fired);
  if (event != Event::kData) move_out(children_, path, fired);
  return fired;
}

void Watches::clear() {
  data_.clear();
  children_.clear();
}

std::size_t Watches::size() const {
  std::size_t all = 0;
  for (const auto& [path, watches] : data_) all += watches.size();
  for (const auto& [path, watches] : children_) all += watches.size();
  return all;
}

std::size_t Watches::bytes() const {
  constexpr std::size_t kLength = 4;
  std::size_t all = 0;
  for (const Table* table : {&data_, &children_}) {
    for (const auto& [path, watches] : *table) all += kLength + path.size();
  }
  return all;
}

void Watches::move_out(Table& from, const std::string& path, std::vector<Watch>& to) {
  const auto found = from.find(path);
  if (found == from.end()) return;
  to.insert(to.end(), std::make_move_iterator(found->second.begin()),
            std::make_move_iterator(found->second.end()));
  from.erase(found);
}

}  // namespace failoverd::zookeeper
