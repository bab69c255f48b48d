// A transcript of what a real tablet was asked and answered (tablet.txt in tests/golden), line by
// line, and answers of our own in its words: `field=value` of the response, strings within a
// message as Python has them. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <deque>
#include <map>
#include <string>

namespace failoverd::minitablet {

// "1=0 2=ok": what is set, by the fields' numbers.
std::string text_of(const google::protobuf::Message& message);
// "[(1, 50), (5, b'127.0.0.1:9520')]".
std::string nested_text_of(const google::protobuf::Message& message);

class Transcript {
 public:
  // The transcript of FAILOVERD_GOLDEN/<generation>/tablet.txt.
  explicit Transcript(const std::string& file);

  bool next_is(const std::string& label) const;
  // The next line's answer; throws std::runtime_error if its label is another one. What directories
  // held has no label.
  std::string take(const std::string& label);
  // The same answer in both, but for what differs from run to run.
  std::string take_without_names(const std::string& label) { return theirs_.put_into(take(label)); }
  std::string without_names(const std::string& ours) { return ours_.put_into(ours); }
  bool ended() const { return lines_.empty(); }

 private:
  // Ports, which are numbered as they come up, and names of snapshots.
  class Names {
   public:
    std::string put_into(std::string text);

   private:
    std::map<std::string, std::string> known_;
  };
  struct Line {
    std::string label;
    std::string answer;
  };

  std::deque<Line> lines_;
  Names ours_;
  Names theirs_;
};

}  // namespace failoverd::minitablet
