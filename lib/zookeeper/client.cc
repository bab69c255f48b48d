#include "lib/zookeeper/client.h"

#include <utility>

namespace failoverd::zookeeper {

const char* to_text(Code code) {
  switch (code) {
    case Code::kOk:
      return "ok";
    case Code::kNoNode:
      return "no node";
    case Code::kNodeExists:
      return "node exists";
    case Code::kBadVersion:
      return "bad version";
    case Code::kNotEmpty:
      return "not empty";
    case Code::kNoAuth:
      return "no auth";
    case Code::kUnknown:
      return "unknown";
    case Code::kExpired:
      return "expired";
    case Code::kNotApplied:
      return "not applied";
    case Code::kOther:
      return "other";
  }
  return "?";
}

const char* to_text(SessionState state) {
  switch (state) {
    case SessionState::kConnecting:
      return "connecting";
    case SessionState::kConnected:
      return "connected";
    case SessionState::kExpired:
      return "expired";
  }
  return "?";
}

std::string to_text(const Acl& acl) { return acl.scheme + ":" + acl.id + ":" + acl.letters; }

Op Op::create(std::string path, std::string value) {
  return {.kind = Kind::kCreate, .path = std::move(path), .value = std::move(value)};
}

Op Op::set(std::string path, std::string value, std::int32_t version) {
  return {
      .kind = Kind::kSet, .path = std::move(path), .value = std::move(value), .version = version};
}

Op Op::remove(std::string path, std::int32_t version) {
  return {.kind = Kind::kDelete, .path = std::move(path), .value = {}, .version = version};
}

Op Op::check(std::string path, std::int32_t version) {
  return {.kind = Kind::kCheck, .path = std::move(path), .value = {}, .version = version};
}

std::size_t Op::bytes() const {
  // A type, lengths, a version or flags, and for a create its ACL: never less than on the wire.
  constexpr std::size_t kAround = 64;
  return kAround + path.size() + value.size();
}

}  // namespace failoverd::zookeeper
