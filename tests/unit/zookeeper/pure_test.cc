// What the room decides without a server: paths, server lists, the order of a queue, watches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "lib/zookeeper/hosts.h"
#include "lib/zookeeper/lock_queue.h"
#include "lib/zookeeper/paths.h"
#include "lib/zookeeper/session.h"
#include "lib/zookeeper/watches.h"

namespace failoverd::zookeeper {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Paths, Valid) {
  for (const char* path : {"/", "/a", "/a/b.c/d", "/...", "/a/.b", "/10.0.0.1:9527", "/a b"}) {
    EXPECT_TRUE(is_valid_path(path)) << path;
  }
  using std::string_view_literals::operator""sv;
  for (const auto path :
       {""sv, "a"sv, "a/b"sv, "/a/"sv, "//"sv, "/a//b"sv, "/."sv, "/.."sv, "/a/../b"sv, "/a/./b"sv,
        "/a/."sv, "/a/.."sv, "/a\0b"sv, "/a\nb"sv, "/\x7f"sv}) {
    EXPECT_FALSE(is_valid_path(path)) << path;
  }
}

TEST(Paths, WithParents) {
  EXPECT_THAT(with_parents("/"), IsEmpty());
  EXPECT_THAT(with_parents("/a"), ElementsAre("/a"));
  EXPECT_THAT(with_parents("/a/b/c"), ElementsAre("/a", "/a/b", "/a/b/c"));
}

TEST(Hosts, NamesAddressesAndBrackets) {
  const auto hosts = parse_hosts("zk1:2181,10.0.0.2:2182,[::1]:2183");
  ASSERT_TRUE(hosts);
  EXPECT_THAT(*hosts,
              ElementsAre(Host{"zk1", "2181"}, Host{"10.0.0.2", "2182"}, Host{"::1", "2183"}));
  EXPECT_FALSE(are_addresses(*hosts));
  EXPECT_TRUE(are_addresses(*parse_hosts("127.0.0.1:1,[::1]:2")));
  // The C client takes an IPv6 address without brackets, and equal lists must look equal.
  EXPECT_EQ(to_client_list(*parse_hosts("[::1]:2,127.0.0.1:1,[::1]:2")), "127.0.0.1:1,::1:2");
}

TEST(Hosts, RefusedWithTheReason) {
  const auto why = [](const char* list) {
    const auto hosts = parse_hosts(list);
    return hosts ? std::string{"taken"} : hosts.error().text;
  };
  EXPECT_THAT(why(""), HasSubstr("has no port"));
  EXPECT_THAT(why("zk1"), HasSubstr("\"zk1\" has no port"));
  EXPECT_THAT(why("zk1:2181,"), HasSubstr("has no port"));
  EXPECT_THAT(why("zk1:0"), HasSubstr("port from 1 to 65535"));
  EXPECT_THAT(why("zk1:70000"), HasSubstr("port from 1 to 65535"));
  EXPECT_THAT(why("zk1:21x"), HasSubstr("port from 1 to 65535"));
  EXPECT_THAT(why(":2181"), HasSubstr("no host name"));
  EXPECT_THAT(why("zk 1:2181"), HasSubstr("no host name"));
  EXPECT_THAT(why("zk1:2181/chroot"), HasSubstr("hold a path"));
}

TEST(Hosts, LookupFindsWhatThereIs) {
  boost::asio::io_context io;
  HostLookup lookup{io};
  std::vector<Host> found;
  int calls = 0;
  lookup.start({{"localhost", "2181"}, {"does-not-exist.invalid", "2182"}},
               [&](std::vector<Host> hosts) {
                 ++calls;
                 found = std::move(hosts);
               });
  EXPECT_TRUE(lookup.under_way());
  io.run();
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(lookup.under_way());
  ASSERT_FALSE(found.empty());
  EXPECT_TRUE(are_addresses(found));
  for (const Host& host : found) EXPECT_EQ(host.port, "2181");
}

TEST(Hosts, LookupThatIsDestroyedCallsNobody) {
  boost::asio::io_context io;
  {
    HostLookup lookup{io};
    lookup.start({{"localhost", "2181"}}, [](auto) { FAIL(); });
  }
  io.run();
}

TEST(LockQueue, SequenceOf) {
  EXPECT_EQ(sequence_of("abc-lock-0000000012"), 12);
  EXPECT_EQ(sequence_of("0000000000"), 0);
  EXPECT_EQ(sequence_of("lock_request2147483647"), 2147483647);
  EXPECT_EQ(sequence_of("lock-000000012"), std::nullopt);
  EXPECT_EQ(sequence_of("12"), std::nullopt);
  EXPECT_EQ(sequence_of("lock-00000000x1"), std::nullopt);
}

TEST(LockQueue, InOrderOfSequenceNotOfName) {
  std::vector<std::string> names;
  for (const Contender& contender :
       in_order({"a-lock-0000000010", "z-lock-0000000002", "notes", "m-lock-0000000009"})) {
    names.push_back(contender.name);
  }
  EXPECT_THAT(names, ElementsAre("z-lock-0000000002", "m-lock-0000000009", "a-lock-0000000010"));
}

TEST(Watches, EachEventFiresItsKindOnce) {
  using Of = Watches::Of;
  using Event = Watches::Event;
  Watches watches;
  std::string fired;
  const auto mark = [&](char c) { return [&fired, c] { fired += c; }; };
  const auto fire = [&](Event event, const char* path) {
    fired.clear();
    for (const auto& watch : watches.take(event, path)) watch();
    return fired;
  };
  const auto set = [&] {
    watches.clear();
    watches.add(Of::kData, "/a", mark('1'));
    watches.add(Of::kData, "/a", mark('2'));
    watches.add(Of::kChildren, "/a", mark('c'));
    watches.add(Of::kData, "/b", mark('b'));
  };
  set();
  EXPECT_EQ(watches.size(), 4u);
  EXPECT_EQ(fire(Event::kData, "/a"), "12");
  EXPECT_EQ(fire(Event::kData, "/a"), "");
  EXPECT_EQ(fire(Event::kDeleted, "/a"), "c");
  set();
  EXPECT_EQ(fire(Event::kChildren, "/a"), "c");
  EXPECT_EQ(fire(Event::kDeleted, "/a"), "12");
  EXPECT_EQ(fire(Event::kData, "/nowhere"), "");
  EXPECT_EQ(fire(Event::kData, "/b"), "b");
  EXPECT_EQ(watches.size(), 0u);
}

TEST(Op, BytesCountPathAndValue) {
  EXPECT_GE(Op::create("/abc", std::string(1000, 'x')).bytes(), 1004u);
  EXPECT_GE(Op::set("/abc", std::string(1000, 'x'), 3).bytes(), 1004u);
  EXPECT_LT(Op::check("/abc", 3).bytes(), 200u);
  EXPECT_LT(Op::remove("/abc", 3).bytes(), 200u);
}

TEST(Session, EveryCodeAndStateHasItsWord) {
  EXPECT_STREQ(to_text(Code::kUnknown), "unknown");
  EXPECT_STREQ(to_text(Code::kNotApplied), "not applied");
  EXPECT_STREQ(to_text(SessionState::kExpired), "expired");
}

}  // namespace
}  // namespace failoverd::zookeeper
