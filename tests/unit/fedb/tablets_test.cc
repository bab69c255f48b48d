// Calls to a tablet that change something go out only while that is allowed (SAFETY 14), and only
// over a connection that stands: a new one may lead to somebody else (SAFETY 21).
#include "lib/fedb/tablets.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "lib/rpc/endpoint.h"
#include "lib/rpc/server.h"
#include "proto/tablet.pb.h"

namespace failoverd::fedb {
namespace {

using core::Transport;
using std::chrono::milliseconds;
using std::chrono::seconds;

class TabletsTest : public ::testing::Test {
 protected:
  TabletsTest()
      : server_(io_,
                [this](rpc::Request request, rpc::Server::Reply reply) {
                  asked_.push_back(request.method);
                  if (request.method == "UpdateRealEndpointMap") {
                    EXPECT_TRUE(told_.ParseFromString(request.payload));
                  }
                  if (silent_) return held_.push_back(std::move(reply));
                  reply({0, {}, answer_to(request.method), {}});
                }),
        tablets_(
            io_, names_, [this] { return numbering_; },
            [this](const core::Event& event) {
              if (const auto* answer = std::get_if<core::TabletAnswered>(&event)) {
                answers_.push_back(*answer);
              }
              if (std::holds_alternative<core::ConnectionLost>(event)) ++lost_;
            }) {
    endpoint_ = "127.0.0.1:" + std::to_string(server_.listen("127.0.0.1:0").value());
    tablets_.may_change = [this] { return allowed_; };
  }

  // A tablet that lacks names says so.
  std::string answer_to(const std::string& method) const {
    const bool needs_names = method == "AddReplica" || method == "SendSnapshot";
    if (!asks_for_names_ || !needs_names || told_.real_endpoint_map_size() > 0) return answer_;
    GeneralResponse lacks;
    lacks.set_code(155);
    return lacks.SerializeAsString();
  }
  // The tablet that is asked has a name, and there are others.
  void use_names() {
    names_.set("653470841", endpoint_);
    names_.set("653470842", "127.0.0.1:1");
    endpoint_ = "653470841";
    tablets_.is_registered = [](const core::Endpoint& tablet) { return tablet == "653470841"; };
    tablets_.nameserver_leads = [this] { return nameserver_leads_; };
    GeneralResponse ok;
    ok.set_code(0);
    answer_ = ok.SerializeAsString();
    call(1, core::GetTableStatus{});
    EXPECT_EQ(transport(1), Transport::kAnswered);
  }
  long times(const std::string& method) { return std::count(asked_.begin(), asked_.end(), method); }
  core::Answer answered(core::RequestId id) {
    (void)transport(id);
    for (const core::TabletAnswered& a : answers_) {
      if (a.id == id) return a.answer;
    }
    return {};
  }
  void call(core::RequestId id, core::Call what, Duration deadline = seconds{10}) {
    tablets_.call({id, endpoint_, std::move(what), deadline});
  }
  // The answer to the call of this id; runs the loop until it is there.
  Transport transport(core::RequestId id) {
    for (int turns = 0; turns < 10'000; ++turns) {
      for (const core::TabletAnswered& a : answers_) {
        if (a.id == id) return a.answer.transport;
      }
      io_.run_one_for(milliseconds{10});
    }
    ADD_FAILURE() << "call " << id << " was not answered";
    return Transport::kSilent;
  }
  bool was_asked(const std::string& method) {
    return std::find(asked_.begin(), asked_.end(), method) != asked_.end();
  }

  std::optional<Numbering> numbering_ = Numbering::kFedb;
  boost::asio::io_context io_{1};
  ServerNames names_;
  UpdateRealEndpointMapRequest told_;  // What the tablet was told last.
  bool asks_for_names_ = false;
  bool nameserver_leads_ = false;
  std::string answer_;  // Of the tablet, to whatever else it is asked.
  rpc::Server server_;
  Tablets tablets_;
  std::string endpoint_;
  bool allowed_ = true;
  std::vector<std::string> asked_;  // Methods that arrived at the tablet.
  std::vector<core::TabletAnswered> answers_;
  bool silent_ = false;  // The tablet takes questions and does not answer.
  std::vector<rpc::Server::Reply> held_;
  int lost_ = 0;  // Connections that the brain was told to have ended.
};

TEST_F(TabletsTest, GoesOutOverAConnectionThatStands) {
  call(1, core::GetTableStatus{});
  EXPECT_EQ(transport(1), Transport::kAnswered);
  call(2, core::Demote{{2, 0}});
  EXPECT_EQ(transport(2), Transport::kAnswered);
  EXPECT_TRUE(was_asked("ChangeRole"));
}

TEST_F(TabletsTest, IsRefusedWhereItIsNotAllowed) {
  call(1, core::GetTableStatus{});
  EXPECT_EQ(transport(1), Transport::kAnswered);
  allowed_ = false;
  call(2, core::Demote{{2, 0}});
  EXPECT_EQ(transport(2), Transport::kNotSent);
  call(3, core::GetTableStatus{});  // Behind it on the same connection.
  EXPECT_EQ(transport(3), Transport::kAnswered);
  EXPECT_FALSE(was_asked("ChangeRole"));
}

// SAFETY 21: nobody has said over it who listens there.
TEST_F(TabletsTest, MakesNoConnection) {
  call(1, core::Promote{{2, 0}, 7, {}});
  call(2, core::GetTableStatus{});
  EXPECT_EQ(transport(1), Transport::kNotSent);
  EXPECT_EQ(transport(2), Transport::kAnswered);
  EXPECT_FALSE(was_asked("ChangeRole"));
}

TEST_F(TabletsTest, IsNotSentAfterAllWasDropped) {
  call(1, core::GetTableStatus{});
  EXPECT_EQ(transport(1), Transport::kAnswered);
  tablets_.drop_all();
  call(2, core::Promote{{2, 0}, 7, {}});
  EXPECT_EQ(transport(2), Transport::kNotSent);
  call(3, core::GetTableStatus{});
  EXPECT_EQ(transport(3), Transport::kAnswered);
  EXPECT_FALSE(was_asked("ChangeRole"));
}

// Under another number LoadTable's mode would be a term, and the table would be loaded as whatever
// its disk says (SAFETY 19).
TEST_F(TabletsTest, NothingIsLoadedWhileTheNumbersAreNotKnown) {
  numbering_.reset();
  call(1, core::GetTableStatus{});
  EXPECT_EQ(transport(1), Transport::kAnswered);
  call(2, core::LoadTable{{2, 0}, "flow", {}});
  EXPECT_EQ(transport(2), Transport::kNotSent);
  EXPECT_FALSE(was_asked("LoadTable"));
  numbering_ = Numbering::kOpenmldb;
  call(3, core::LoadTable{{2, 0}, "flow", {}});
  EXPECT_EQ(transport(3), Transport::kAnswered);
  EXPECT_TRUE(was_asked("LoadTable"));
}

// SAFETY 21: a connection whose peer went without a word is given up when a new one is answered;
// whoever believes that it stands must hear of that.
TEST_F(TabletsTest, TellsThatItGaveUpAConnection) {
  call(1, core::GetTableStatus{});
  EXPECT_EQ(transport(1), Transport::kAnswered);
  silent_ = true;
  call(2, core::GetTableStatus{}, seconds{1});
  EXPECT_EQ(transport(2), Transport::kSilent);
  silent_ = false;
  EXPECT_EQ(lost_, 0);
  tablets_.call({3, endpoint_, core::GetTableStatus{}, seconds{10}, /*fresh=*/true});
  EXPECT_EQ(transport(3), Transport::kAnswered);
  EXPECT_EQ(lost_, 1);
  call(4, core::Demote{{2, 0}});
  EXPECT_EQ(transport(4), Transport::kNotSent);
}

// The name is all by which a table of ours is known from another cluster's (SAFETY 21).
TEST_F(TabletsTest, TheTabletNamesItsTables) {
  GetTableStatusResponse response;
  TableStatus& status = *response.add_all_table_status();
  status.set_tid(2);
  status.set_pid(1);
  status.set_name("flow");
  answer_ = response.SerializeAsString();
  call(1, core::GetTableStatus{});
  EXPECT_EQ(transport(1), Transport::kAnswered);
  ASSERT_EQ(answers_.front().answer.replicas.size(), 1u);
  EXPECT_EQ(answers_.front().answer.replicas[0].name, "flow");
}

// A name is no endpoint: nobody is asked, and that says nothing about a process.
TEST_F(TabletsTest, NamesThatAreNoEndpoints) {
  const std::string longest(253, 'a');
  core::RequestId id = 0;
  for (const std::string& name :
       {std::string{"tablet1"}, std::string{"1.2.3.4:99999"}, std::string{"1.2.3.4:0"},
        std::string{"a b:9520"}, longest + "a:9520", std::string(3'000, 'a')}) {
    endpoint_ = name;
    call(++id, core::GetTableStatus{});
    EXPECT_EQ(transport(id), Transport::kNowhere) << name;
    call(++id, core::Demote{{2, 0}});
    EXPECT_EQ(transport(id), Transport::kNotSent) << name;
  }
  for (const char* name : {"1.2.3.4:9520", "[::1]:9520", "tablet-1.example:9520"}) {
    EXPECT_TRUE(rpc::may_be_connected_to(name)) << name;
  }
  EXPECT_TRUE(rpc::may_be_connected_to(longest + ":9520"));
}

TEST_F(TabletsTest, AnAnswerThatDoesNotParseIsGarbled) {
  answer_ = "\xff";
  call(1, core::GetTableStatus{});
  EXPECT_EQ(transport(1), Transport::kGarbled);
  EXPECT_EQ(answers_.front().answer.text, "sent an answer that does not parse");
}

// Nobody listens there: that is evidence (SAFETY 15).
TEST_F(TabletsTest, RefusedPort) {
  endpoint_ = "127.0.0.1:1";
  call(1, core::GetTableStatus{});
  EXPECT_EQ(transport(1), Transport::kRefused);
}

// Whatever a tablet writes is kept, shown and sent on: it is cut where it comes in.
TEST_F(TabletsTest, ALongTextIsCut) {
  GeneralResponse response;
  response.set_code(130);
  response.set_msg(std::string(1'200'000, '.'));
  answer_ = response.SerializeAsString();
  call(1, core::GetTermPair{{1, 0}});  // Connects.
  (void)transport(1);
  call(2, core::LoadTable{{1, 0}, "flow", ""});
  const core::Answer answer = answered(2);
  EXPECT_EQ(answer.code, 130);
  EXPECT_LT(answer.text.size(), 400u);
}

// Two bytes each, and two hundred once they are parsed.
TEST_F(TabletsTest, AListOfNothingIsNotTaken) {
  GetTableStatusResponse response;
  response.set_code(0);
  for (int i = 0; i < 400'000; ++i) response.add_all_table_status();
  answer_ = response.SerializeAsString();
  call(1, core::GetTableStatus{});
  EXPECT_EQ(transport(1), Transport::kGarbled);
  GetTableFollowerResponse followers;
  followers.set_code(0);
  for (int i = 0; i < 400'000; ++i) followers.add_follower_info();
  answer_ = followers.SerializeAsString();
  call(2, core::GetTableFollower{{1, 0}});
  EXPECT_EQ(transport(2), Transport::kGarbled);
}

// --- Names (FEDB.md 8) ---------------------------------------------------------------------------

TEST_F(TabletsTest, WhatNamesAnotherTabletGoesBehindTheNames) {
  use_names();
  call(2, core::AddReplica{{2, 0}, "653470842"});
  EXPECT_EQ(transport(2), Transport::kAnswered);
  EXPECT_EQ(asked_,
            (std::vector<std::string>{"GetTableStatus", "UpdateRealEndpointMap", "AddReplica"}));
  ASSERT_EQ(told_.real_endpoint_map_size(), 2);
  EXPECT_EQ(told_.real_endpoint_map(1).name(), "653470842");
  EXPECT_EQ(told_.real_endpoint_map(1).real_endpoint(), "127.0.0.1:1");
  // It knows them now, until there are others.
  call(3, core::Promote{{2, 0}, 7, {"653470842"}});
  EXPECT_EQ(transport(3), Transport::kAnswered);
  EXPECT_EQ(times("UpdateRealEndpointMap"), 1);
  names_.set("653470842", "127.0.0.1:2");
  call(4, core::Promote{{2, 1}, 7, {"653470842"}});
  EXPECT_EQ(transport(4), Transport::kAnswered);
  EXPECT_EQ(times("UpdateRealEndpointMap"), 2);
  EXPECT_EQ(told_.real_endpoint_map(1).real_endpoint(), "127.0.0.1:2");
}

// A nameserver tells them, too, but perhaps later than the call.
TEST_F(TabletsTest, WhatNamesAnotherTabletGoesBehindTheNamesBesideANameserver) {
  use_names();
  nameserver_leads_ = true;
  tablets_.tell_names();
  call(2, core::AddReplica{{2, 0}, "653470842"});
  EXPECT_TRUE(answered(2).ok());
  EXPECT_EQ(asked_,
            (std::vector<std::string>{"GetTableStatus", "UpdateRealEndpointMap", "AddReplica"}));
}

// It was told, and has forgotten.
TEST_F(TabletsTest, WhoLacksNamesIsToldThemAndCalledAgain) {
  use_names();
  call(2, core::AddReplica{{2, 0}, "653470842"});
  EXPECT_TRUE(answered(2).ok());
  asked_.clear();
  told_.Clear();
  asks_for_names_ = true;
  call(3, core::AddReplica{{2, 0}, "653470842"});
  EXPECT_TRUE(answered(3).ok());
  EXPECT_EQ(asked_,
            (std::vector<std::string>{"AddReplica", "UpdateRealEndpointMap", "AddReplica"}));
}

// One that goes on asking is not called for ever.
TEST_F(TabletsTest, WhoStillLacksNamesIsHeard) {
  use_names();
  GeneralResponse lacks;
  lacks.set_code(155);
  answer_ = lacks.SerializeAsString();
  call(2, core::AddReplica{{2, 0}, "653470842"});
  EXPECT_TRUE(answered(2).says(155));
  EXPECT_EQ(times("AddReplica"), 1);
}

TEST_F(TabletsTest, NamesAreToldWhereThatIsOurs) {
  use_names();
  const auto tell = [&] {
    tablets_.tell_names();
    call(9, core::GetTableStatus{});
    answers_.clear();
    EXPECT_EQ(transport(9), Transport::kAnswered);
    return times("UpdateRealEndpointMap");
  };
  allowed_ = false;
  EXPECT_EQ(tell(), 0);
  allowed_ = nameserver_leads_ = true;
  EXPECT_EQ(tell(), 0);
  nameserver_leads_ = false;
  tablets_.is_registered = [](const core::Endpoint&) { return false; };
  EXPECT_EQ(tell(), 0) << "a stranger";
  tablets_.is_registered = [](const core::Endpoint& tablet) { return tablet == "653470841"; };
  EXPECT_EQ(tell(), 1);
  EXPECT_EQ(tell(), 1) << "it knows them";
  tablets_.drop_all();
  EXPECT_EQ(tell(), 1) << "there is no connection";
  EXPECT_EQ(tell(), 2) << "another process may listen there";
}

// SAFETY 14: it may be lost while the names are on their way.
TEST_F(TabletsTest, WhatWaitsForNamesIsRefusedWhereItIsNotAllowedAnyMore) {
  use_names();
  silent_ = true;
  call(2, core::AddReplica{{2, 0}, "653470842"});
  while (held_.empty()) io_.run_one_for(milliseconds{10});
  allowed_ = false;
  held_[0]({0, {}, answer_, {}});
  EXPECT_EQ(transport(2), Transport::kNotSent);
  EXPECT_FALSE(was_asked("AddReplica"));
}

// SAFETY 21: a tablet that was given another name is not taken for the one that is gone.
TEST_F(TabletsTest, AnAddressThatAnotherNameHasIsNotAsked) {
  use_names();
  names_.set("653470800", names_.all().at("653470841"));
  endpoint_ = "653470800";
  call(2, core::GetTableStatus{});
  EXPECT_EQ(transport(2), Transport::kSilent);
  call(3, core::Demote{{2, 0}});
  EXPECT_EQ(transport(3), Transport::kNotSent);
  EXPECT_EQ(times("GetTableStatus"), 1);
}

TEST_F(TabletsTest, ATabletThatHasMovedIsAskedThere) {
  use_names();
  rpc::Server elsewhere{io_, [this](const rpc::Request&, const rpc::Server::Reply& reply) {
                          asked_.emplace_back("elsewhere");
                          reply({0, {}, answer_, {}});
                        }};
  names_.set("653470841", "127.0.0.1:" + std::to_string(elsewhere.listen("127.0.0.1:0").value()));
  EXPECT_EQ(lost_, 0);
  tablets_.tell_names();
  EXPECT_EQ(lost_, 1);
  call(2, core::GetTableStatus{});
  EXPECT_EQ(transport(2), Transport::kAnswered);
  EXPECT_EQ(asked_.back(), "elsewhere");
}

}  // namespace
}  // namespace failoverd::fedb
