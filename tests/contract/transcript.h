// A transcript of what a real tablet was asked and answered (tablet.txt in tests/golden), line by
// line, and answers of our own in its words: `field=value` of the response, strings within a
// message as Python has them. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <deque>
#include <map>
#include <string>

namespace failoverd::contract {

// "1=0 2=ok": what is set, by the fields' numbers.
std::string text_of(const google::protobuf::Message& message);
// The same as the transcript has it: of GetTableStatus and GetTaskStatus it has the lists.
std::string transcript_text_of(const google::protobuf::Message& response);

class Transcript {
 public:
  // The transcript of FAILOVERD_GOLDEN/<generation>/tablet.txt.
  explicit Transcript(const std::string& file);

  // The next line's answer; throws std::runtime_error if its label is another one. What directories
  // held has no label.
  std::string take(const std::string& label);
  // The same answer in both, but for what differs from run to run.
  std::string theirs_without_names(const std::string& theirs) { return theirs_.put_into(theirs); }
  std::string ours_without_names(const std::string& ours) { return ours_.put_into(ours); }
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

}  // namespace failoverd::contract
