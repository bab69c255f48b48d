// What is read of nodes/: a child that is known is not read again, unless it may be another one.
#include "lib/fedb/metadata/cluster_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/fedb/leadership/obstacles.h"
#include "tests/simulation/daemon_parts.h"
#include "tests/simulation/fake_cluster.h"

namespace failoverd::simulation {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using zookeeper::Op;

// It remembers what was read of nodes/.
class ReadsOfNodes : public FakeClient {
 public:
  using FakeClient::FakeClient;
  void get(const std::string& path, Get done, Watch watch) override {
    const std::string nodes = std::string{FakeZooKeeper::kRoot} + "/nodes/";
    if (path.starts_with(nodes)) read.push_back(path.substr(nodes.size()));
    FakeClient::get(path, std::move(done), std::move(watch));
  }
  std::vector<std::string> read;
};

class ClusterViewTest : public MadeUp {
 protected:
  ClusterViewTest() {
    view_.on_warning = [this](const std::string& line) { warned_.push_back(line); };
    client_.on_state = [this](zookeeper::SessionState state, bool new_session) {
      if (state != zookeeper::SessionState::kConnected) return;
      names_watch_.connected(new_session);
      view_.connected(new_session);
    };
    client_.start();
    world_.run_for(milliseconds{500});
  }

  std::vector<std::string> read_meanwhile() {
    world_.run_for(milliseconds{500});
    return std::exchange(client_.read, {});
  }
  std::string node(const std::string& name) const {
    return world_.fake_zookeeper.paths().nodes() + "/" + name;
  }
  void come(const std::string& name) {
    world_.fake_zookeeper.write({Op::create(node(name), name)}, 0, "somebody");
  }
  void go(const std::string& name) {
    world_.fake_zookeeper.write({Op::remove(node(name), -1)}, 0, "somebody");
  }

  std::vector<core::TabletsListed::Child> listed_;
  std::vector<std::string> warned_;
  RunInProcess run_ = [](const Work& work) { work(); };
  ProcessLoop loop_{world_, run_};
  ReadsOfNodes client_{world_, "d1", run_};
  fedb::Obstacles obstacles_{[](const core::Event&) {}};
  fedb::ClusterNumbering numbering_{std::nullopt, obstacles_};
  fedb::ServerNames names_;
  fedb::NamesWatch names_watch_{loop_, client_, world_.fake_zookeeper.paths(), names_, obstacles_};
  fedb::ClusterView view_{loop_,
                          client_,
                          world_.fake_zookeeper.paths(),
                          numbering_,
                          names_,
                          names_watch_,
                          obstacles_,
                          [this](core::Event event) {
                            auto* listed = std::get_if<core::TabletsListed>(&event);
                            if (listed) listed_ = std::move(listed->children);
                          }};
};

TEST_F(ClusterViewTest, OnlyNewChildrenAreRead) {
  EXPECT_THAT(read_meanwhile(), ElementsAre("A:1", "B:1", "C:1"));
  come("D:1");
  EXPECT_THAT(read_meanwhile(), ElementsAre("D:1"));
  go("D:1");
  EXPECT_THAT(read_meanwhile(), IsEmpty());
  ASSERT_EQ(listed_.size(), 3u);
  come("D:1");
  come("E:1");
  EXPECT_THAT(read_meanwhile(), ElementsAre("D:1", "E:1"));
  EXPECT_EQ(listed_.size(), 5u);
}

// A restart between two looks: the same name, another process.
TEST_F(ClusterViewTest, OneThatWentAndCameIsReadAgain) {
  read_meanwhile();
  const core::Incarnation before = listed_.at(1).incarnation;
  go("B:1");
  come("B:1");
  EXPECT_THAT(read_meanwhile(), ElementsAre("A:1", "B:1", "C:1"));
  EXPECT_GT(listed_.at(1).incarnation, before);
  come("D:1");
  EXPECT_THAT(read_meanwhile(), ElementsAre("D:1"));
}

// What was written meanwhile to another ZooKeeper, such as one from a backup, no count tells.
TEST_F(ClusterViewTest, ANewSessionReadsAll) {
  read_meanwhile();
  world_.fake_zookeeper.expire(client_.session_id());
  EXPECT_THAT(read_meanwhile(), ElementsAre("A:1", "B:1", "C:1"));
}

// With use_name: a tablet that is called by a name is one as soon as its address is known.
TEST_F(ClusterViewTest, ANameIsATablet) {
  read_meanwhile();
  const std::string root = world_.fake_zookeeper.paths().root;
  const auto write = [&](const std::string& below, const std::string& value) {
    world_.fake_zookeeper.write({Op::create(root + below, value)}, 0, "somebody");
  };
  come("653470841");
  read_meanwhile();
  EXPECT_EQ(listed_.size(), 3u);
  ASSERT_EQ(warned_.size(), 1u);
  EXPECT_THAT(warned_[0], HasSubstr("nodes/653470841: is no endpoint IP:PORT (or name:PORT), and "
                                    "no name in map/names; it is ignored"));
  write("/map", "");
  write("/map/names", "");
  write("/map/names/653470841", "127.0.0.1:9527");
  read_meanwhile();
  EXPECT_EQ(listed_.size(), 4u);
  EXPECT_EQ(names_.address_of("653470841"), "127.0.0.1:9527");
  EXPECT_TRUE(view_.has_tablet("653470841"));
  // The next one has written its address before it registers: nobody is warned of it.
  write("/map/names/653470842", "127.0.0.1:9528");
  come("653470842");
  read_meanwhile();
  EXPECT_EQ(listed_.size(), 5u);
  EXPECT_EQ(warned_.size(), 1u);
  // Its address changes, and its znode goes: the last one holds.
  const std::string path = root + "/map/names/653470841";
  world_.fake_zookeeper.write({Op::set(path, "127.0.0.1:9529", -1)}, 0, "somebody");
  read_meanwhile();
  EXPECT_EQ(names_.address_of("653470841"), "127.0.0.1:9529");
  world_.fake_zookeeper.write({Op::remove(path, -1)}, 0, "somebody");
  write("/map/names/653470843", "no address");
  read_meanwhile();
  EXPECT_EQ(names_.address_of("653470841"), "127.0.0.1:9529");
  EXPECT_EQ(names_.address_of("653470843"), std::nullopt);
  EXPECT_EQ(listed_.size(), 5u);
}

TEST_F(ClusterViewTest, AnotherSpellingIsSaidOnce) {
  come("127.0.0.1:21001");
  come("localhost:21001");
  read_meanwhile();
  come("D:1");
  read_meanwhile();
  ASSERT_EQ(warned_.size(), 1u);
  EXPECT_THAT(warned_[0],
              HasSubstr("nodes/localhost:21001: spells 127.0.0.1:21001 in another way"));
  std::set<std::string> misspelled;
  for (const auto& child : listed_) {
    if (child.misspelled) misspelled.insert(child.endpoint);
  }
  EXPECT_THAT(misspelled, ElementsAre("localhost:21001"));
}

}  // namespace
}  // namespace failoverd::simulation
