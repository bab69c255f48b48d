// The captured bytes, for tests: files of tests/golden and the rows of its index.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace failoverd::rpc {

inline std::string golden_file(const std::string& path) {
  std::ifstream in(std::string(FAILOVERD_GOLDEN) + "/" + path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

// One call of rtidb-1.4.1/rpc: two frames, and what is in them as text.
struct GoldenCall {
  std::string name;     // "001.TabletServer.GetTableStatus", the files' stem.
  std::string service;  // As sent.
  std::string method;
  int code = 0;
  std::size_t attachment = 0;  // The request's.
  std::string request;
  std::string response;

  bool to_tablet() const { return name.find(".TabletServer.") != std::string::npos; }
  std::string request_bytes() const {
    return golden_file("rtidb-1.4.1/rpc/" + name + ".request.bin");
  }
  std::string response_bytes() const {
    return golden_file("rtidb-1.4.1/rpc/" + name + ".response.bin");
  }
};

inline std::vector<GoldenCall> golden_calls() {
  std::istringstream index(golden_file("rtidb-1.4.1/rpc/index.tsv"));
  std::vector<GoldenCall> calls;
  std::string line;
  std::getline(index, line);  // The columns' names.
  while (std::getline(index, line)) {
    GoldenCall call;
    std::istringstream row(line);
    std::string code;
    std::string attachment;
    std::getline(row, call.name, '\t');
    std::getline(row, call.service, '\t');
    std::getline(row, code, '\t');
    std::getline(row, attachment, '\t');
    std::getline(row, call.request, '\t');
    std::getline(row, call.response, '\t');
    call.method = call.name.substr(call.name.rfind('.') + 1);
    call.code = std::stoi(code);
    call.attachment = std::stoul(attachment);
    calls.push_back(call);
  }
  return calls;
}

}  // namespace failoverd::rpc
