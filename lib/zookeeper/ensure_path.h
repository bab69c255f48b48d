// Client::ensure_path() out of a client's other requests. `to` has to be there until it is
// answered.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "lib/zookeeper/client.h"
#include "lib/zookeeper/paths.h"

namespace failoverd::zookeeper {

template <class Requests>
void ensure_path_with(Requests& to, const std::string& path, Client::Done done,
                      Client::MayCreate may_create) {
  // Look first: where it is there already, we may lack the right to create it.
  to.exists(
      path,
      [&to, path, done = std::move(done), may_create = std::move(may_create)](Code code,
                                                                              const Stat&) {
        if (code != Code::kNoNode || (may_create && !may_create())) {
          done(code);
          return;
        }
        // One round trip for all: the server takes them in this order, and those that are there
        // already are no trouble.
        auto first_trouble = std::make_shared<Code>(Code::kOk);
        for (const std::string& part : with_parents(path)) {
          const bool last = part == path;
          to.create(part, "", false, false, [=](Code created, const std::string&) {
            const bool there = created == Code::kOk || created == Code::kNodeExists;
            if (!there && *first_trouble == Code::kOk) *first_trouble = created;
            if (last) done(there ? Code::kOk : *first_trouble);
          });
        }
      },
      nullptr);
}

}  // namespace failoverd::zookeeper
