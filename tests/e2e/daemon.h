// One failoverd process of an end-to-end test, with its configuration file and its HTTP address.
// Owned by the test's Cluster.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/e2e/cluster.h"
#include "tests/harness/process.h"

namespace failoverd::e2e {

class Daemon {
 public:
  Daemon(Cluster& cluster, int number, const DaemonOptions& options);

  void start();
  void kill();  // SIGKILL.
  int stop();   // SIGTERM; its exit status.
  void pause() { process_->pause(); }
  void resume() { process_->resume(); }
  harness::Process& process() { return *process_; }

  // Writes its file anew, with these lines replacing or adding keys ("detection: {...}").
  void configure(const std::vector<std::string>& lines);
  const std::filesystem::path& file() const { return file_; }

  // Writes its file anew as it stands here, by renaming a new one over it or by writing into it.
  enum class How { kRename, kInPlace };
  void write_file(const std::string& text, How how = How::kRename);
  std::string read_file() const;

  struct Output {
    int status = 0;
    std::string out;
    std::string err;
  };
  // Runs failoverctl against it, or against `servers` ("URL,URL").
  Output ctl(const std::vector<std::string>& arguments, const std::string& servers = {});
  // Runs failoverd itself with these arguments behind --config FILE, to its end.
  Output run(const std::vector<std::string>& arguments);

  struct Http {
    int status = 0;    // 0: no answer.
    std::string head;  // Status line and headers.
    std::string body;
  };
  Http get(const std::string& target);
  Http get_head(const std::string& target);  // No body is read: a stream has no end.
  Http head(const std::string& target);      // HEAD.
  Http post(const std::string& target, const std::string& body);
  // Of GET /api/v1/status, as text: for looking for words.
  std::string status();
  bool active();
  // Waits until one of its ops is at this task: "kSelectLeader" while followers are probed.
  bool comes_to(const std::string& task);
  // Value of one line of GET /metrics, such as `failoverd_active`; none: no such line.
  std::optional<double> metric(const std::string& series);
  std::string log() const { return process_->log(); }
  const std::string& http() const { return http_; }

 private:
  std::string request_of(const std::string& method, const std::string& target) const;

  Cluster& cluster_;
  const std::filesystem::path file_;
  const std::filesystem::path log_file_;
  const std::string http_;
  const std::string cluster_keys_;
  const std::string listen_keys_;
  const std::vector<std::pair<std::string, std::string>> environment_;
  std::unique_ptr<harness::Process> process_;
};

// Whether this piece of what a daemon sends to ZooKeeper publishes a table: a multi with the table
// and table/notify in it.
bool is_publish(std::string_view request);
// The same for what begins an op in the journal: its znode below failoverd/ops/.
bool begins_op(std::string_view request);

}  // namespace failoverd::e2e
