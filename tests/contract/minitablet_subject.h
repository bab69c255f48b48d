// minitablet under the contract: in this process, over real sockets, with a disk.
#pragma once

#include <map>

#include "tests/contract/subject.h"
#include "tests/minitablet/rig.h"

namespace failoverd::contract {

class MinitabletSubject : public Subject, private minitablet::Rig {
 public:
  explicit MinitabletSubject(const minitablet::Generation& generation) : generation_{generation} {}

  void begin(const std::string& tablet, bool short_binlogs) override;
  void kill(const std::string& tablet) override { end(at(tablet)); }
  void start(const std::string& tablet) override { begin_again(at(tablet)); }
  std::string endpoint(const std::string& tablet) override { return Rig::endpoint(at(tablet)); }
  Reply ask(const std::string& tablet, const Question& question) override;
  bool soon(const std::function<bool()>& holds) override;
  void hold(const std::string& tablet, const Hold& hold) override;
  void release(const std::string& tablet) override { Rig::release(at(tablet)); }
  void fail_next_load(const std::string& tablet, Place place) override;
  void delete_old_binlogs(const std::string& tablet, Place place) override;
  std::string rows(const std::string& tablet, Place place) override;
  std::uint64_t appends(const std::string& tablet) override;
  std::string directories(const std::string& tablet) override;

 private:
  void TestBody() override {}  // It is no test by itself.
  std::size_t at(const std::string& tablet) const { return numbers_.at(tablet); }

  const minitablet::Generation& generation_;
  std::map<std::string, std::size_t> numbers_;
};

}  // namespace failoverd::contract
